/**
 * What a webtorrent page downloads from: a seeder that speaks WebRTC, the tracker through which they find each other, and
 * a web seed, which is a plain HTTP server of the file. Run by page-download.ts:
 *
 *     webtorrent-seeder.ts MODULES FILE FOLDER
 *
 * MODULES is the folder that webtorrent is installed in. Leaves webrtc.torrent and web-seed.torrent in FOLDER and prints
 * "ready" once every piece is checked.
 */
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { basename, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { pathToFileURL } from "node:url";

const pieceLength = 1 << 20;
const [modules = "", file = "", folder = ""] = process.argv.slice(2);

/** A package of a folder that no type checker knows. */
async function load(path: string) {
  return import(pathToFileURL(join(modules, path)).href);
}

async function startTracker(): Promise<string> {
  const { Server } = await load("bittorrent-tracker/index.js");
  const tracker = new Server({ udp: false, http: false, ws: true, stats: false });
  tracker.listen(0, "127.0.0.1");
  await once(tracker, "listening");
  return `ws://127.0.0.1:${tracker.http.address().port}`;
}

/** The file by ranges, to pages of any origin. */
async function startWebSeed(): Promise<string> {
  const { size } = await stat(file);
  const server = createServer(async ({ method, headers }, response) => {
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? "") ?? [];
    const [start, end] = [Number(from ?? 0), Number(to ?? size - 1)];
    response.writeHead(method === "OPTIONS" ? 204 : from === undefined ? 200 : 206, {
      "access-control-allow-origin": "*",
      "access-control-allow-headers": "*",
      "access-control-max-age": "7200",
      "content-length": method === "OPTIONS" ? 0 : end - start + 1,
      "content-range": `bytes ${start}-${end}/${size}`,
    });
    if (method !== "GET") return response.end();
    await pipeline(createReadStream(file, { start, end, highWaterMark: 1 << 20 }), response).catch(
      () => undefined,
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/${basename(file)}`;
}

async function makeTorrent(name: string, options: object): Promise<Uint8Array> {
  const { default: createTorrent } = await load("create-torrent/index.js");
  const torrent = await new Promise<Uint8Array>((resolve, reject) => {
    createTorrent(
      file,
      { pieceLength, announceList: [], ...options },
      (error: Error | null, made: Uint8Array) => (error ? reject(error) : resolve(made)),
    );
  });
  await writeFile(join(folder, name), torrent);
  return torrent;
}

await makeTorrent("web-seed.torrent", { urlList: [await startWebSeed()] });
const torrent = await makeTorrent("webrtc.torrent", { announceList: [[await startTracker()]] });
const { default: WebTorrent } = await load("webtorrent/index.js");
if (!WebTorrent.WEBRTC_SUPPORT) throw new Error("no WebRTC in this Node");
const client = new WebTorrent({ dht: false, lsd: false, utp: false, natUpnp: false, natPmp: false });
await once(client.add(torrent, { path: dirname(file) }), "done");
console.log("ready");
