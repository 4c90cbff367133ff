import { copyFile, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Torrent } from "#core/torrent/torrent.ts";
import { parseTorrentText, torrentText } from "#core/torrent/torrent-json.ts";
import { nodeHasher } from "../../base/node-hasher.ts";
import { packageRoot } from "../../base/own-package.ts";
import { createTorrentFromPath } from "../../peer/stores/source.ts";
import { type DemoFile, demoFiles, writeDemoFiles } from "./demo-files.ts";

export const DEMO_PEERS = 4;

export interface DemoTorrent {
  /** The name in the catalog. */
  readonly name: string;
  readonly path: string;
  readonly torrentPath: string;
  readonly torrent: Torrent;
}

/** The paths that belong to one demo peer. */
export interface DemoPeer {
  /** The JSON file that lists the pieces to hold. */
  readonly inventoryPath: string;
  readonly dataDir: string;
}

export interface Demo {
  readonly torrents: readonly DemoTorrent[];
  readonly peers: readonly DemoPeer[];
}

/** Writes the demo's files, torrents and inventories to `dir`; files and torrents that exist are kept. */
export async function prepareDemo(dir: string): Promise<Demo> {
  const paths = await writeDemoFiles(join(dir, "files"));
  await mkdir(join(dir, "torrents"), { recursive: true });
  const torrents: DemoTorrent[] = [];
  for (const [n, file] of demoFiles.entries()) torrents.push(await prepareTorrent(file, paths[n]!, dir));
  const peers: DemoPeer[] = [];
  for (let n = 1; n <= DEMO_PEERS; n++) peers.push(await preparePeer(n, torrents, dir));
  return { torrents, peers };
}

async function prepareTorrent(file: DemoFile, path: string, dir: string): Promise<DemoTorrent> {
  const { name } = file;
  const torrentPath = join(dir, "torrents", `${name}.json`);
  if (!(await stat(torrentPath).catch(() => undefined))) await writeTorrent(file, path, torrentPath);
  const torrent = await parseTorrentText(await readFile(torrentPath, "utf8"), nodeHasher);
  return { name, path, torrentPath, torrent };
}

/** Writes a torrent. That of shakira is copied from fixtures/, to have one in the legacy form, without lengths. */
async function writeTorrent(file: DemoFile, path: string, torrentPath: string): Promise<void> {
  if (file.name === "shakira") return copyFile(join(packageRoot, "fixtures/shakira.json"), torrentPath);
  const { pieceLength, comment } = file;
  await writeFile(torrentPath, torrentText(await createTorrentFromPath(path, { pieceLength, comment })));
}

async function preparePeer(n: number, torrents: readonly DemoTorrent[], dir: string): Promise<DemoPeer> {
  const inventoryPath = join(dir, `peer-${n}.json`);
  const text = inventoryText(
    n,
    torrents.map(({ torrent }) => torrent),
  );
  await writeFile(inventoryPath, text);
  return { inventoryPath, dataDir: join(dir, `peer-${n}`) };
}

/** The inventory of demo peer `n` (1 to 4) as JSON. */
export function inventoryText(n: number, torrents: readonly Torrent[]): string {
  const fileInfo = torrents.map(({ fileName, pieces }) => {
    const held = partOf(n, pieces.length);
    const list = held.map((number) => ({ number, hash: pieces[number - 1] }));
    return { file_name: fileName, total: list.length, pieces: list };
  });
  return `${JSON.stringify({ file_info: fileInfo }, null, 2)}\n`;
}

/**
 * The piece numbers of demo peer `n` (1 to 4): the first three fifths, the last three fifths, the odd numbers, the
 * even numbers. Every piece has at least two copies, so any one peer may die, and no peer is complete unless there is
 * only one piece.
 */
export function partOf(n: number, total: number): number[] {
  const most = Math.ceil(total * 0.6);
  const holds = [
    (number: number) => number <= most,
    (number: number) => number > total - most,
    (number: number) => number % 2 === 1,
    (number: number) => number % 2 === 0 || total === 1,
  ][n - 1]!;
  return Array.from({ length: total }, (_, index) => index + 1).filter(holds);
}
