import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Family, Lan, type LanHost } from "../support/processes/lan.ts";
import type { JsonLine, PiezaProcess } from "../support/processes/pieza-process.ts";
import { sent, sha256sum, writeRandomFile } from "../support/swarms/local-swarm.ts";

describe.each<{ family: Family; everywhere: string }>([
  { family: "IPv4", everywhere: "0.0.0.0" },
  { family: "IPv6", everywhere: "::" },
])("in a network of $family alone", ({ family, everywhere }) => {
  let lan: Lan;
  let server: LanHost;
  let seeder: LanHost;
  let leecher: LanHost;
  beforeEach(async () => {
    lan = await Lan.start(3, family);
    [server, seeder, leecher] = lan.hosts as [LanHost, LanHost, LanHost];
  });
  afterEach(() => lan?.stop());

  const at = (host: LanHost, name: string) => join(host.folder, name);
  const catalog = () => ["--catalog", `http://${server.urlHost}:8080`];
  const announced = (process: PiezaProcess, fits: (line: JsonLine) => boolean) =>
    process.line("what the tracker makes of it", (line) => line.event === "announced" && fits(line));

  /** Tracker and catalog on the first machine, with --host and nothing else. */
  async function startServers(): Promise<void> {
    for (const verb of ["tracker", "catalog"]) {
      const port = verb === "tracker" ? 50_050 : 8080;
      expect(await lan.run(server, [verb, "--host", everywhere]).url()).toBe(
        `http://${server.urlHost}:${port}`,
      );
    }
  }

  it("one machine has tracker and catalog, another seeds, a third gets the file, and then serves it too", async () => {
    await startServers();
    await writeRandomFile(at(seeder, "big.bin"), 16 << 20);
    const seed = lan.run(seeder, ["seed", at(seeder, "big.bin"), "--host", everywhere, ...catalog()]);
    const tracker = `http://${server.urlHost}:50050`;
    const url = `http://${seeder.urlHost}:50051`;
    expect(await announced(seed, ({ listed }) => listed === true)).toMatchObject({ tracker, url });

    const get = ["get", "big.bin", "--host", everywhere, "--seed-after", "5m"];
    const first = lan.run(leecher, [...get, ...catalog()]);
    await first.line("done", ({ event }) => event === "done");
    expect(await sha256sum(at(leecher, "big.bin"))).toBe(await sha256sum(at(seeder, "big.bin")));
    expect(sent(seed)).toHaveLength(16);

    await seed.stop();
    const second = lan.run(server, ["get", "big.bin", ...catalog()]);
    expect(await second.finished(60_000), second.text).toBe(0);
    expect(await sha256sum(at(server, "big.bin"))).toBe(await sha256sum(at(seeder, "big.bin")));
    expect(sent(first)).toHaveLength(16);
  });

  it("a peer that listens on its own machine only is not named, and is told what to say", async () => {
    await startServers();
    await writeRandomFile(at(seeder, "big.bin"), 1 << 20);
    const seed = lan.run(seeder, ["seed", at(seeder, "big.bin"), ...catalog()]);
    expect(await announced(seed, () => true)).toMatchObject({ listed: false, url: "" });
    const get = lan.run(leecher, ["get", "big.bin", "--give-up-after", "1s", ...catalog()]);
    expect(await get.finished(60_000), get.text).toBe(4);
  });

  it("a peer with a public URL at which another machine does not answer is not named, and hears why", async () => {
    await startServers();
    await writeRandomFile(at(seeder, "big.bin"), 1 << 20);
    const elsewhere = ["--public-url", `http://${leecher.urlHost}:50051`];
    const seed = lan.run(seeder, [
      "seed",
      at(seeder, "big.bin"),
      "--host",
      everywhere,
      ...elsewhere,
      ...catalog(),
    ]);
    const told = await announced(seed, ({ reason }) => !String(reason).includes("being checked"));
    expect(told).toMatchObject({ listed: false, reason: expect.stringContaining("not reached at") });
  });

  it("`up` on one machine serves the others with --host alone", async () => {
    await mkdir(at(server, "page"));
    await writeFile(at(server, "page/index.html"), "<!doctype html>");
    const up = lan.run(server, ["up", "--host", everywhere, "--page", at(server, "page")]);
    const ready = await up.line("ready", ({ event }) => event === "ready");
    expect(ready).toMatchObject({ catalog: `http://${server.urlHost}:8080` });
    const get = lan.run(leecher, ["get", "ocean-64MiB.bin", ...catalog()]);
    expect(await get.finished(60_000), get.text).toBe(0);
  });
});
