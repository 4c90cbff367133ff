import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { LocalSwarm } from "../support/swarms/local-swarm.ts";

let swarm: LocalSwarm;
afterEach(() => swarm.stop());

it("a folder of 1,000 small files arrives whole, empty files and other scripts' names included", async () => {
  swarm = await LocalSwarm.start();
  const contents = new Map<string, string>();
  for (let n = 0; n < 1_000; n++) {
    const name = n % 100 === 0 ? `páginas/空 ${n}.txt` : `part ${n % 10}/${n}.txt`;
    contents.set(name, n % 50 === 7 ? "" : `${n} `.repeat(n));
  }
  for (const [name, text] of contents) {
    const path = join(swarm.path("many"), name);
    await mkdir(join(path, ".."), { recursive: true });
    await writeFile(path, text);
  }
  await swarm.publish("many", "--piece-length", "64KiB");
  await swarm.peer("first", "many", "1-20");
  await swarm.peer("second", "many");
  await swarm.done("leecher", ["get", "many", "-o", swarm.path("got"), "--catalog", swarm.catalogUrl]);

  const entries = await readdir(swarm.path("got"), { recursive: true, withFileTypes: true });
  expect(entries.filter((entry) => entry.isFile())).toHaveLength(1_000);
  for (const [name, text] of contents)
    expect(await readFile(join(swarm.path("got"), name), "utf8")).toBe(text);
});
