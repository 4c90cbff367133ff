import { withCatalog } from "../clients/clients.ts";
import { makeTorrent } from "../clients/make-torrent.ts";
import type { VerbInvocation } from "../line/verb-options.ts";
import {
  completed,
  openSeedings,
  pairWithTorrents,
  readPieces,
  startSeeder,
  trackersOfSeedings,
} from "../servers/seeding.ts";
import { edgeOptions, orClose, sayListening, serveUntilSignalled } from "../servers/serve.ts";
import { sayCreated } from "./create.ts";
import { publish } from "./publish.ts";

/** Hashing may take hours, so everything else that can fail is tried before it: flags, catalog, token and port. */
export async function runSeed({ args, flags, out, signal }: VerbInvocation<"seed">): Promise<void> {
  await readPieces(flags, args.length);
  const pairs = await pairWithTorrents(args, flags.createdTorrents);
  const known = pairs.flatMap(({ torrent }) => torrent ?? []);
  const trackers = await trackersOfSeedings(known, flags, out, signal);
  await withCatalog(flags.catalog, flags, signal, (catalog) => catalog.mayPublish(signal));
  const edge = edgeOptions(flags, flags.peerPort, out);
  // A trial without trackers, so that nobody hears of a peer that serves nothing yet.
  await (await startSeeder({ edge, trackers: [] }, flags, out)).close();
  const seedings = await completed(pairs, async (path) => {
    const torrent = await makeTorrent(path, flags, out, signal);
    sayCreated(torrent, undefined, out);
    return torrent;
  });
  const addSeedings = await openSeedings(seedings, flags, out);
  const forOthers = { zone: flags.zone, drainMs: flags.drainTimeout };
  const peer = await startSeeder({ edge, trackers }, flags, out, forOthers);
  addSeedings(peer);
  await orClose(peer, async () => {
    for (const { torrent } of seedings) await publish(torrent, torrent.fileName, flags, out, signal);
  });
  sayListening("seed", peer.url, out);
  await serveUntilSignalled(signal, peer);
}
