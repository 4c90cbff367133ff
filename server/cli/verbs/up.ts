import { copyFile, mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { contentPath } from "#core/content/content-path.ts";
import { isLoopback } from "../../http/base/networks.ts";
import type { RunningPeer } from "../../peer/peer.ts";
import { type RunningTracker, startTracker } from "../../tracker/tracker.ts";
import { readCa } from "../clients/client-flags.ts";
import { dataDir } from "../clients/data-dir.ts";
import { type ChildPeer, type ChildPeerOptions, startChildPeer } from "../demo/child-peer.ts";
import { type Demo, prepareDemo } from "../demo/demo.ts";
import { ExitCode, exitCodeOf, Interrupted } from "../line/exit-code.ts";
import type { Events } from "../line/output.ts";
import { plural } from "../line/units.ts";
import type { VerbInvocation } from "../line/verb-options.ts";
import { startCatalogServer, torrentsDir } from "../servers/catalog-server.ts";
import { startGateway } from "../servers/gateway.ts";
import { buildPageIfOld, inCheckout } from "../servers/page.ts";
import { edgeOptions, startOn } from "../servers/serve.ts";

type UpInvocation = VerbInvocation<"up">;

/** The file of the demo that is shown to people who try it. */
const SHOWN = "ocean-64MiB.bin";
const GATEWAY_CACHE_BYTES = 1 << 30;
const GATEWAY_GIVE_UP_MS = 30_000;

export async function runUp(invocation: UpInvocation): Promise<void> {
  const { flags, out, signal } = invocation;
  const peers: ChildPeer[] = [];
  // Ctrl-C stops the demo at once, without draining. Peers that are still starting end with this process.
  signal.addEventListener("abort", () => {
    for (const peer of peers) peer.kill();
    const { reason } = signal;
    const isAsked = reason instanceof Interrupted && reason.signal === "SIGTERM";
    process.exit(isAsked ? ExitCode.DONE : exitCodeOf(reason));
  });
  if (flags.page === undefined) await buildPageIfOld(out);
  const demo = await prepareDemo(join(dataDir(flags), "demo"));
  const tracker = await startUpTracker(invocation);
  const closers = [() => tracker.close()];
  try {
    await offer(demo, torrentsDir(flags, flags.upCatalogPort));
    const edge = upEdge(invocation, flags.upCatalogPort);
    const uploadPeers: string[] = [];
    const gateways: string[] = [];
    const others = { trackers: [tracker.url], uploadPeers, gateways };
    const { catalog, urls, token } = await startCatalogServer(edge, others, flags, out, "upCatalogPort");
    closers.push(() => catalog.close());
    const { protocol } = new URL(catalog.url);
    const named = flags.allowedHost.map((name) => `${protocol}//${name}:${catalog.port}`);
    const pageOrigins = [...urls, ...named, ...flags.allowOrigin];
    const servers = { tracker: tracker.url, catalog: catalog.url, token, pageOrigins };
    const list = await startPeers(peers, demo, servers, invocation);
    uploadPeers.push(...list.map(({ url }) => url));
    const gateway = await startUpGateway(servers, invocation);
    closers.push(() => gateway.close());
    gateways.push(gateway.url);
    const page = `${catalog.url}/${token === undefined ? "" : `#token=${encodeURIComponent(token)}`}`;
    const { infoHash, fileName } = demo.torrents.find(({ name }) => name === SHOWN)!.torrent;
    const ready = {
      ...{ page, catalog: catalog.url, tracker: tracker.url, gateway: gateway.url },
      content: `${gateway.url}${contentPath(infoHash, [fileName])}`,
      peers: list,
    };
    out.event("ready", ready, ...readyLines(ready, flags.ca));
  } catch (error) {
    for (const peer of peers) peer.kill();
    await Promise.all(closers.map((close) => close()));
    throw error;
  }
}

function upEdge({ flags, out }: UpInvocation, port: number) {
  // On loopback every client has the same address, so a limit for each address would limit the whole demo.
  const noRateLimit = flags.noRateLimit || isLoopback(flags.host ?? "127.0.0.1");
  // One public URL cannot name several servers. For public URLs, start each server with its own verb.
  return edgeOptions({ ...flags, publicUrl: undefined, noRateLimit }, port, out);
}

async function startUpTracker(invocation: UpInvocation): Promise<RunningTracker> {
  const port = invocation.flags.upTrackerPort;
  const ca = await readCa(invocation.flags);
  return startOn("upTrackerPort", () =>
    startTracker({
      ...upEdge(invocation, port),
      allowNetworks: invocation.flags.allowNetwork,
      replicationTarget: invocation.flags.upTarget,
      ca,
    }),
  );
}

/** A gateway to the catalog of the demo. */
async function startUpGateway(
  { tracker, catalog }: Pick<ChildPeerOptions, "tracker" | "catalog">,
  { flags, out, signal }: UpInvocation,
): Promise<RunningPeer> {
  const noRateLimit = flags.noRateLimit || isLoopback(flags.host ?? "127.0.0.1");
  const own = {
    ...flags,
    ...{ tracker: [tracker], catalog, publicUrl: undefined, noRateLimit },
    ...{ peerPort: flags.upGatewayPort, cache: GATEWAY_CACHE_BYTES, gatewayGiveUpAfter: GATEWAY_GIVE_UP_MS },
    ...{ limitUpload: undefined, logRequests: false },
  };
  // That the tracker lists it too says nothing to a person who tries the demo.
  return startGateway(own, out, signal, { portOption: "upGatewayPort", onStatus: () => {} });
}

/** Copies the demo's torrents into the catalog's folder, except where the name is taken. */
async function offer(demo: Demo, directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const { name, torrentPath } of demo.torrents) {
    const path = join(directory, `${name}.json`);
    if (!(await stat(path).catch(() => undefined))) await copyFile(torrentPath, path);
  }
}

/** Adds the processes to `peers` at once, so that the caller can kill them; resolves when all of them serve. */
async function startPeers(
  peers: ChildPeer[],
  demo: Demo,
  servers: Pick<ChildPeerOptions, "tracker" | "catalog" | "token" | "pageOrigins">,
  { flags, out }: UpInvocation,
): Promise<{ url: string; pid: number }[]> {
  for (const [n, peer] of demo.peers.entries()) {
    const port = flags.upPeerPort === 0 ? 0 : flags.upPeerPort + n;
    const onTrouble = (line: string) => out.warn(`peer ${n + 1}: ${line}`);
    peers.push(startChildPeer({ ...servers, demo, peer, flags, port, onTrouble }));
  }
  const urls = await Promise.all(peers.map(({ url }) => url));
  return peers.map(({ pid, ended }, n) => {
    const url = urls[n]!;
    void ended.then((how) =>
      out.warn(
        `the peer at ${url} (process ${pid}) has ended (${typeof how === "number" ? `exit code ${how}` : how}); the others go on`,
      ),
    );
    return { url, pid };
  });
}

/** Tells the user what to try first. */
function readyLines({ page, catalog, content, peers }: Events["ready"], ca: string | undefined): string[] {
  const pieza = inCheckout ? "npm run -s pieza --" : "pieza";
  // Some shells take the brackets of an IPv6 address for a pattern.
  const quoted = (url: string) => (url.includes("[") ? `"${url}"` : url);
  const where = catalog === "http://127.0.0.1:8080" ? "" : ` --catalog ${quoted(catalog)}`;
  const [trustInCurl, trust] = ca === undefined ? ["", ""] : [`--cacert ${ca} `, ` --ca ${ca}`];
  return [
    "",
    `The page:   ${page}`,
    `With curl:  curl ${trustInCurl}${quoted(`${catalog}/files/shakira.json`)}`,
    `            curl ${trustInCurl}-O ${quoted(content)}`,
    `To a file:  ${pieza} get ${SHOWN}${where}${trust}`,
    "",
    `${plural(peers.length, "peer")}, none of which has every piece; kill one and watch the others take over:`,
    ...peers.map(({ url, pid }) => `  ${url}  kill ${pid}`),
    "",
    "Ctrl-C stops everything.",
  ];
}
