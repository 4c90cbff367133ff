import { existsSync, mkdtempSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openInPlaceStore } from "../../../../server/peer/stores/in-place-store.ts";
import { createTorrentFromPath } from "../../../../server/peer/stores/source.ts";
import { makeTorrent, noise } from "../../../support/swarms/made-torrent.ts";

describe("a torrent of a path", () => {
  let here = "";
  beforeEach(() => {
    here = mkdtempSync(join(tmpdir(), "pieza-source-"));
  });
  afterEach(() => rmSync(here, { recursive: true, force: true }));

  async function folder(files: Record<string, Uint8Array | string>): Promise<string> {
    const root = join(here, "folder");
    for (const [path, content] of Object.entries(files)) {
      await mkdir(join(root, path, ".."), { recursive: true });
      await writeFile(join(root, path), content);
    }
    return root;
  }

  it("of a file is the torrent of its bytes", async () => {
    const made = await makeTorrent({ length: 100_001 });
    await writeFile(join(here, "file.bin"), made.whole);
    const torrent = await createTorrentFromPath(join(here, "file.bin"), {
      pieceLength: 16 << 10,
      comment: "hello",
    });
    expect(torrent).toMatchObject({
      infoHash: made.torrent.infoHash,
      pieces: made.torrent.pieces,
      comment: "hello",
    });
  });

  it("of an empty file has one piece of nothing", async () => {
    await writeFile(join(here, "empty"), "");
    const torrent = await createTorrentFromPath(join(here, "empty"));
    expect(torrent).toMatchObject({ fileName: "empty", lengths: { length: 0 } });
    expect(torrent.pieces).toHaveLength(1);
  });

  it("of a folder has its files in bytewise order, empty ones too, and can be seeded from it", async () => {
    const root = await folder({
      "b/z": "zz",
      "b.txt": "bt",
      "a/é": "e",
      "a/z": noise(70_000),
      "empty/none": "",
      Z: "Z",
    });
    const torrent = await createTorrentFromPath(root, { pieceLength: 16 << 10 });
    expect(torrent.fileName).toBe("folder");
    expect(torrent.files?.map(({ path }) => path)).toEqual(["Z", "a/z", "a/é", "b.txt", "b/z", "empty/none"]);
    const store = await openInPlaceStore({ torrent, path: root });
    for (const index of store.geometry.indices()) await store.read(index);
    expect(store.held.complete).toBe(true);
    store.close();
  });

  it("of a folder leaves links out and says so", async () => {
    const root = await folder({ real: "r", "sub/x": "x" });
    await symlink("/etc/passwd", join(root, "passwd"));
    await symlink(root, join(root, "sub", "loop"));
    const skipped: string[] = [];
    const torrent = await createTorrentFromPath(root, {
      onSkipped: (path, reason) => skipped.push(`${path} ${reason}`),
    });
    expect(torrent.files?.map(({ path }) => path)).toEqual(["real", "sub/x"]);
    expect(skipped.sort()).toEqual(["passwd is a link", "sub/loop is a link"]);
  });

  it("of a folder has nothing of a folder elsewhere that a link leads to as soon as the files are listed", async () => {
    const root = await folder({ "a.bin": noise(1 << 20), "b/key": "mine" });
    await mkdir(join(here, "elsewhere"));
    await writeFile(join(here, "elsewhere", "key"), "secret");
    const swap = () => {
      if (existsSync(join(here, "away"))) return;
      renameSync(join(root, "b"), join(here, "away"));
      symlinkSync(join(here, "elsewhere"), join(root, "b"));
    };
    const creating = createTorrentFromPath(root, { pieceLength: 16 << 10, onProgress: swap });
    await expect(creating).rejects.toThrow(/reading (key|folder) failed/);
  });

  it("of a folder has what its links lead to, where links are followed, and can be seeded from it", async () => {
    const cache = join(here, "cache");
    const root = await folder({ "models/readme": "r" });
    await mkdir(join(cache, "blobs"), { recursive: true });
    await writeFile(join(cache, "blobs", "0a1b"), noise(40_000));
    await writeFile(join(cache, "blobs", "2c3d"), "second");
    await symlink(join(cache, "blobs", "0a1b"), join(root, "models", "model.bin"));
    await symlink(join(cache, "blobs"), join(root, "all"));
    await symlink("..", join(root, "models", "up"));
    await symlink("nowhere", join(root, "broken"));
    const skipped: string[] = [];
    const torrent = await createTorrentFromPath(root, {
      pieceLength: 16 << 10,
      followLinks: true,
      onSkipped: (path, reason) => skipped.push(`${path} ${reason}`),
    });
    expect(torrent.files).toEqual([
      { path: "all/0a1b", length: 40_000 },
      { path: "all/2c3d", length: 6 },
      { path: "models/model.bin", length: 40_000 },
      { path: "models/readme", length: 1 },
    ]);
    expect(skipped.sort()).toEqual([
      "broken is a link to nothing",
      "models/up is a link to a folder that it is in",
    ]);
    const store = await openInPlaceStore({ torrent, path: root, followLinks: true });
    for (const index of store.geometry.indices()) await store.read(index);
    store.close();
    await expect(openInPlaceStore({ torrent, path: root })).rejects.toThrow("models/model.bin is not there");
  });

  it("of a folder leaves out what a pattern fits, unseen", async () => {
    const root = await folder({
      a: "a",
      "a.tmp": "t",
      ".git/HEAD": "h",
      "sub/.git/x": "x",
      "sub/b": "b",
      "sub/c:": "c",
    });
    await symlink("a", join(root, "link.tmp"));
    const skipped: string[] = [];
    const torrent = await createTorrentFromPath(root, {
      exclude: ["*.tmp", ".git", "sub/c*"],
      onSkipped: (path) => skipped.push(path),
    });
    expect(torrent.files?.map(({ path }) => path)).toEqual(["a", "sub/b"]);
    expect(skipped).toEqual([]);
  });

  it("needs something to share: a folder with a file, or a file that is no device", async () => {
    const root = await folder({ "sub/only": "x" });
    await mkdir(join(root, "sub", "empty"));
    const skipped: string[] = [];
    const onSkipped = (path: string, reason: string) => skipped.push(`${path} ${reason}`);
    await createTorrentFromPath(root, { onSkipped });
    expect(skipped).toEqual(["sub/empty is an empty folder"]);
    await expect(createTorrentFromPath(root, { exclude: ["sub"] })).rejects.toThrow(
      "folder: has no files to share",
    );
    await expect(createTorrentFromPath("/dev/null")).rejects.toThrow("null: is neither a file nor a folder");
  });

  it("takes names that only Windows cannot write, and refuses one that hides what it is, with its path", async () => {
    const root = await folder({ "sub/aux.txt": "x", "sub/12:30.txt": "y" });
    const { files } = await createTorrentFromPath(root);
    expect(files?.map(({ path }) => path)).toEqual(["sub/12:30.txt", "sub/aux.txt"]);
    await writeFile(join(root, "sub/\u202etxt.exe"), "z");
    await expect(createTorrentFromPath(root)).rejects.toMatchObject({
      code: "invalid_argument",
      message: "sub/\u202etxt.exe: must not contain control or invisible characters",
    });
  });

  it("says what is missing, in words and without the path to it", async () => {
    await expect(createTorrentFromPath(join(here, "nothing"))).rejects.toMatchObject({
      name: "StoreFailed",
      message: "reading nothing failed: no such file or folder",
    });
  });
});
