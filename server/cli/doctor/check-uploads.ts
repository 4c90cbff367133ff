import { isServerUrl } from "#core/base/server-url.ts";
import { tokenFor } from "../../http/guards/token.ts";
import { plural } from "../line/units.ts";
import { checkServer, type ServerCheck } from "./check-server.ts";
import { type CheckOptions, type Finding, ok, problem, warning } from "./finding.ts";
import { probe } from "./probe.ts";

const STORE_CALL = "/pieza.v1.PeerService/StorePiece";

/**
 * Checks whether the page of a catalog can store what it publishes: the peers that the catalog names for that have to
 * be there, take uploads, let the page call them, and have the catalog's token. `dataDir`: the folder of known tokens.
 */
export async function* checkUploads(
  catalog: string,
  { overview }: Pick<ServerCheck, "overview">,
  dataDir: string,
  options: CheckOptions,
): AsyncGenerator<Finding> {
  const named: readonly unknown[] = Array.isArray(overview?.upload_peers) ? overview.upload_peers : [];
  const peers = named.filter(isServerUrl);
  if (peers.length < named.length) {
    const message = `${plural(named.length - peers.length, "upload peer")} of it without a valid URL`;
    yield problem("uploads", catalog, message, "correct the --upload-peer of the catalog");
  }
  if (named.length === 0) {
    const message = "it names no peer that takes uploads, so its page publishes torrents and stores no piece";
    const advice = "start a peer with --accept-uploads SIZE, and the catalog with --upload-peer URL";
    yield warning("uploads", catalog, message, advice);
  }
  for (const peer of peers) {
    const { findings, usable } = await checkServer(peer, "peer", options);
    yield* findings;
    if (usable) yield await checkUploadPeer(peer, catalog, dataDir, options);
  }
}

async function checkUploadPeer(
  peer: string,
  catalog: string,
  dataDir: string,
  options: CheckOptions,
): Promise<Finding> {
  const { origin } = new URL(catalog);
  const call = `${peer}${STORE_CALL}`;
  try {
    // An empty message without a token: a peer that takes uploads asks for the token, or for the piece.
    const empty = { "content-type": "application/proto", "content-length": "0" };
    const { status } = await probe(call, { ...options, method: "POST", headers: empty });
    if (status === 404 || status === 501)
      return problem("uploads", peer, "it takes no uploads", "start it with --accept-uploads SIZE");
    const asked = {
      origin,
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization,content-type,x-grpc-web,grpc-timeout",
    };
    const { headers } = await probe(call, { ...options, method: "OPTIONS", headers: asked });
    if (headers["access-control-allow-origin"] !== origin) {
      const advice = `start it with --catalog ${origin}, or with --allow-origin ${origin} besides`;
      return problem("uploads", peer, `the page at ${origin} may not upload to it`, advice);
    }
  } catch (error) {
    options.signal.throwIfAborted();
    return problem("uploads", peer, (error as Error).message, "see the peer's log");
  }
  const [its, ours] = [await tokenFor(dataDir, peer), await tokenFor(dataDir, catalog)];
  if (its !== undefined && ours !== undefined && its !== ours) {
    const advice = "start it again, or give both the same --token";
    return problem("uploads", peer, "its token is not that of the catalog, which the page sends", advice);
  }
  return ok("uploads", peer, `the page at ${origin} may upload to it, with the catalog's token`);
}
