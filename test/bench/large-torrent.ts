import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Worker } from "node:worker_threads";
import { startCatalog } from "../../server/catalog/catalog.ts";

/**
 * How long a catalog's event loop is held by a torrent of 131,072 pieces, in milliseconds: while it is published, asked
 * for, and read from its file after a restart. The client is a thread of its own.
 */

const PIECES = 131_072;
const hashes = Array.from({ length: PIECES }, (_, n) => createHash("sha256").update(String(n)).digest("hex"));
const pieces = hashes.map((hash, n) => ({ number: n + 1, hash }));
const torrent = { fileName: "large", totalPieces: PIECES, pieces };
const directory = await mkdtemp(join(tmpdir(), "pieza-large-"));
const options = { host: "127.0.0.1", port: 0, directory, trackers: [], open: true };

/** Sends Connect calls and resolves when each has its answer. */
const client = new Worker(
  `const { parentPort } = require("node:worker_threads");
  parentPort.on("message", async ({ url, type, body }) => {
    const init = body && { method: "POST", headers: { "content-type": type, "connect-protocol-version": "1" }, body };
    const answer = await fetch(url, init);
    parentPort.postMessage({ status: answer.status, bytes: (await answer.arrayBuffer()).byteLength });
  });`,
  { eval: true },
);

async function measure(what: string, message: object): Promise<void> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  await new Promise((resolve) => setTimeout(resolve, 200));
  delay.enable();
  const { status, bytes } = await new Promise<{ status: number; bytes: number }>((resolve) => {
    client.once("message", resolve);
    client.postMessage(message);
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  delay.disable();
  console.log(`${what.padEnd(24)} ${(delay.max / 1e6).toFixed(0).padStart(6)} ms   ${status} ${bytes} bytes`);
}

const JSON_TYPE = "application/json";
const BINARY_TYPE = "application/proto";
/** GetTorrentRequest with the name "large". */
const LARGE = Uint8Array.of(10, 5, ...Buffer.from("large"));
const rpc = (url: string, method: string) => `${url}/pieza.v1.CatalogService/${method}`;

let catalog = await startCatalog(options);
const warm = JSON.stringify({ torrent: { fileName: "small", totalPieces: 1, pieces: pieces.slice(0, 1) } });
await measure("small, publish", { url: rpc(catalog.url, "PublishTorrent"), type: JSON_TYPE, body: warm });
const body = JSON.stringify({ torrent });
await measure("large, publish", { url: rpc(catalog.url, "PublishTorrent"), type: JSON_TYPE, body });
const get = () => ({ url: rpc(catalog.url, "GetTorrent"), type: BINARY_TYPE, body: LARGE });
await measure("GetTorrent, first", get());
await measure("GetTorrent, again", get());
await measure("GET /files, first", { url: `${catalog.url}/files/large.json` });
await catalog.close();
catalog = await startCatalog(options);
await measure("GetTorrent, from disk", get());
const asked = { url: rpc(catalog.url, "GetTorrent"), type: JSON_TYPE, body: '{"name":"large"}' };
await measure("GetTorrent in JSON", asked);
await catalog.close();
await client.terminate();
await rm(directory, { recursive: true });
