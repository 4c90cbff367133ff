import { PiezaError } from "#core/base/errors.ts";
import type { Catalog } from "#core/ports/catalog.ts";
import { torrentFromMessage } from "#core/rpc/torrent-fields.ts";
import { decodeGetTorrent, encodeGetTorrent } from "#core/rpc/torrent-wire.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { MAX_TORRENT_JSON_BYTES } from "#core/torrent/torrent-json.ts";
import { nodeHasher } from "../../base/node-hasher.ts";
import { proxyFor } from "../../http/client/proxy.ts";
import { PlainCalls } from "../../peer/transports/plain-calls.ts";
import { UnusualAnswer } from "../../peer/transports/unusual-answer.ts";

const PATH = "/pieza.v1.CatalogService/GetTorrent";
/** A torrent of 16 MiB at 256 KiB/s. */
const TIMEOUT_MS = 90_000;

/**
 * A catalog's torrent over a plain socket, before the library is loaded. Undefined where only the library gets it: over
 * TLS, through a proxy, or from a server that answers in an unusual way. Fails as over any transport.
 */
export async function plainTorrent(
  url: string,
  key: Parameters<Catalog["get"]>[0],
  signal: AbortSignal,
): Promise<Torrent | undefined> {
  if (!url.startsWith("http://") || proxyFor(url)) return undefined;
  const calls = new PlainCalls(url);
  try {
    const limits = { signal, timeoutMs: TIMEOUT_MS, maxBytes: MAX_TORRENT_JSON_BYTES };
    const answer = decodeGetTorrent(await calls.call(PATH, encodeGetTorrent(key), limits));
    const torrent = await torrentFromMessage(answer.torrent, nodeHasher);
    if ("infoHash" in key && torrent.infoHash !== key.infoHash.toLowerCase()) {
      throw new PiezaError("internal", "the catalog answered with another torrent");
    }
    return torrent;
  } catch (error) {
    if (error instanceof UnusualAnswer) return undefined;
    throw error;
  } finally {
    calls.close();
  }
}
