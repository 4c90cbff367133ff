/**
 * One webtorrent process: makes a torrent, seeds a file, or downloads it. Run by download.ts.
 *
 *     webtorrent-peer.ts MODULES make FILE TORRENT
 *     webtorrent-peer.ts MODULES seed TORRENT FOLDER          prints "ready PORT" once every piece is checked
 *     webtorrent-peer.ts MODULES get TORRENT FOLDER PORT...   ends when every piece is there
 *
 * MODULES is the folder that webtorrent is installed in. TCP on the loopback only; otherwise webtorrent as its defaults
 * have it.
 */
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const pieceLength = 1 << 20;
const [modules = "", role = "", source = "", target = "", ...ports] = process.argv.slice(2);

/** A package of a folder that no type checker knows. */
async function load(path: string) {
  return (await import(pathToFileURL(join(modules, path)).href)).default;
}

async function addTorrent() {
  const WebTorrent = await load("webtorrent/index.js");
  const offline = { dht: false, lsd: false, tracker: false, utp: false, natUpnp: false, natPmp: false };
  const client = new WebTorrent(offline);
  return { client, torrent: client.add(await readFile(source), { path: target }) };
}

const roles: Record<string, () => Promise<void>> = {
  async make() {
    const createTorrent = await load("create-torrent/index.js");
    const torrent = await new Promise<Uint8Array>((resolve, reject) => {
      createTorrent(source, { pieceLength, announceList: [] }, (error: Error | null, made: Uint8Array) =>
        error ? reject(error) : resolve(made),
      );
    });
    await writeFile(target, torrent);
  },
  async seed() {
    const { client, torrent } = await addTorrent();
    await once(torrent, "done");
    console.log(`ready ${client.torrentPort}`);
  },
  async get() {
    const { client, torrent } = await addTorrent();
    await once(torrent, "infoHash");
    for (const port of ports) torrent.addPeer(`127.0.0.1:${port}`);
    await once(torrent, "done");
    await new Promise((resolve) => client.destroy(resolve));
  },
};

await roles[role]!();
