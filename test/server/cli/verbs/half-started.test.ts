import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { freePort } from "../../../support/free-port.ts";
import { pieza } from "../../../support/processes/pieza.ts";

vi.setConfig({ testTimeout: 60_000 });

describe("a server that cannot finish its start", () => {
  let folder: string;
  let port: number;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "pieza-half-"));
    port = await freePort();
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** Nothing can be written there, not even by root. */
  async function block(path: string): Promise<void> {
    await mkdir(join(folder, path, ".."), { recursive: true });
    await writeFile(join(folder, path), "");
  }

  const start = (verb: string, ...args: string[]) =>
    pieza([verb, "--port", String(port), "--data", folder, "--json", ...args]);

  const nowhere = ["--tracker", "http://127.0.0.1:1", "--catalog", "http://127.0.0.1:1"];

  it.each([
    ["a catalog that cannot store its token", "tokens", "catalog", "--tracker", "http://127.0.0.1:1"],
    ["a peer that cannot store its token", "tokens", "peer", "--accept-uploads", "1MB", ...nowhere],
    ["a volunteer without its folder", "copies", "peer", "--volunteer", "1MB", ...nowhere],
    ["a peer without its folder for uploads", "stored", "peer", "--accept-uploads", "1MB", ...nowhere],
  ])("ends with its error: %s", async (_what, blocked, verb, ...args) => {
    await block(blocked === "tokens" ? blocked : join(`peer-${port}`, blocked));
    const { code, events } = await start(verb!, ...args);
    expect(events.at(-1)).toMatchObject({ event: "error", exit_code: code });
    expect(JSON.stringify(events.at(-1))).toContain(blocked);
    expect(code).toBeGreaterThan(0);
  });
});
