import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { nodeHasher } from "../../../../server/base/node-hasher.ts";
import { FollowedStore } from "../../../../server/peer/stores/followed-store.ts";
import { storePaths } from "../../../../server/peer/stores/store-paths.ts";
import { type MadeTorrent, makeTorrent } from "../../../support/swarms/made-torrent.ts";
import { fill, storeFolder } from "./store-folder.ts";

const PIECE = 16 << 10;

describe("FollowedStore", () => {
  const here = storeFolder();

  const follow = ({ torrent, geometry }: MadeTorrent) =>
    new FollowedStore({ torrent, geometry, target: join(here.path, "file.bin"), hasher: nodeHasher });

  it("has what the writer has recorded, as it comes", async () => {
    const made = await makeTorrent({ length: 5 * PIECE + 3 });
    const followed = follow(made);
    expect(await followed.follow(), "before there is a journal").toBe(false);
    const store = await here.open(made);
    expect(await followed.follow()).toBe(false);
    await fill(store, made, [0, 3]);
    expect(await followed.follow()).toBe(true);
    expect([...followed.held]).toEqual([0, 3]);
    await fill(store, made, [5]);
    expect(await followed.follow()).toBe(true);
    expect(await followed.follow(), "nothing new").toBe(false);
    const last = made.at(5);
    expect(Buffer.compare(await followed.read(last), made.whole.subarray(5 * PIECE))).toBe(0);
    await expect(followed.read(made.at(1))).rejects.toMatchObject({ code: "not_found" });
    await store.close();
    await followed.close();
  });

  it("goes on while the writer is away, and after its restart", async () => {
    const made = await makeTorrent({ length: 4 * PIECE });
    const store = await here.open(made);
    await fill(store, made, [1]);
    const followed = follow(made);
    await followed.follow();
    await store.close();
    expect([...followed.held]).toEqual([1]);
    await followed.read(made.at(1));
    const again = await here.open(made);
    await fill(again, made, [2]);
    await followed.follow();
    expect([...followed.held]).toEqual([1, 2]);
    await again.close();
    await followed.close();
  });

  it("lets go of everything when the writer deletes it, and reads what takes its place", async () => {
    const made = await makeTorrent({ length: 2 * PIECE });
    const store = await here.open(made);
    await fill(store, made, [0]);
    const followed = follow(made);
    await followed.follow();
    await followed.read(made.at(0));
    await store.close();
    for (const name of here.names()) await rm(join(here.path, name), { recursive: true });
    expect(await followed.follow()).toBe(true);
    expect(followed.held.count).toBe(0);
    const again = await here.open(made);
    await fill(again, made, [1]);
    await followed.follow();
    expect([...followed.held]).toEqual([1]);
    expect(Buffer.compare(await followed.read(made.at(1)), made.whole.subarray(PIECE))).toBe(0);
    await again.close();
    await followed.close();
  });

  it("gives out no byte of a piece that is recorded and not there", async () => {
    const made = await makeTorrent({ length: 2 * PIECE });
    const store = await here.open(made);
    // Recorded as written; then, as after a power cut, other bytes are there.
    store.write(made.at(0), 0, new Uint8Array(PIECE));
    await store.commit(made.at(0));
    const followed = follow(made);
    await followed.follow();
    await expect(followed.read(made.at(0))).rejects.toMatchObject({ code: "data_loss" });
    expect(followed.held.count).toBe(0);
    await store.close();
    await followed.close();
  });

  it("refuses the journal of another torrent", async () => {
    const made = await makeTorrent({ length: 2 * PIECE });
    const other = await makeTorrent({ length: 2 * PIECE, seed: 7 });
    const store = await here.open(made);
    const target = join(here.path, "file.bin");
    const journalOf = ({ torrent }: MadeTorrent) => storePaths(target, torrent.infoHash).journal;
    await rename(journalOf(made), journalOf(other));
    const followed = follow(other);
    await expect(followed.follow()).rejects.toThrow(/another torrent/);
    await store.close();
    await followed.close();
  });
});
