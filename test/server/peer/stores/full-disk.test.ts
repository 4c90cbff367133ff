import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { StoreFailed } from "#core/base/errors.ts";
import { nodeHasher } from "../../../../server/base/node-hasher.ts";
import { FilePieceStore } from "../../../../server/peer/stores/file-piece-store.ts";
import { makeTorrent } from "../../../support/swarms/made-torrent.ts";

const PIECE = 16 << 10;
const disk = mkdtempSync(join(tmpdir(), "pieza-disk-"));
const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", disk]).status === 0;

describe("a full disk", () => {
  afterEach(() => {
    if (mounted) execFileSync("umount", ["-l", disk]);
    rmSync(disk, { recursive: true, force: true });
  });

  it("stops the download with noSpace, and it goes on when there is room, nothing lost", async () => {
    expect(mounted, "this test mounts a small tmpfs: run it as root").toBe(true);
    const made = await makeTorrent({ length: 40 * PIECE });
    const { torrent, geometry } = made;
    const target = join(disk, "file.bin");
    const open = () => FilePieceStore.open({ torrent, geometry, target, hasher: nodeHasher });
    const ballast = join(disk, "ballast");

    const first = await open();
    await writeFile(ballast, new Uint8Array(600 << 10));
    let failed: unknown;
    for (const index of geometry.indices()) {
      try {
        first.write(index, 0, made.bytes(index));
        await first.commit(index);
      } catch (error) {
        failed = error;
        break;
      }
    }
    expect(failed).toBeInstanceOf(StoreFailed);
    expect(failed).toMatchObject({
      noSpace: true,
      message: "writing failed: no space is left on the disk",
    });
    const before = [...first.held];
    expect(before.length).toBeGreaterThan(5);
    await first.close().catch(() => {});

    await expect(open()).rejects.toMatchObject({ noSpace: true });
    await rm(ballast);
    const second = await open();
    expect([...second.held]).toEqual(before);
    for (const index of geometry.indices()) {
      second.write(index, 0, made.bytes(index));
      await second.commit(index);
    }
    await second.finish();
    await second.close();
    expect(Buffer.compare(await readFile(target), made.whole)).toBe(0);
    expect(readdirSync(disk)).toEqual(["file.bin"]);
  });
});
