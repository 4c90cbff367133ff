import { makeTorrent } from "../clients/make-torrent.ts";
import type { VerbInvocation } from "../line/verb-options.ts";
import {
  givenTorrent,
  readTorrents,
  type Seeding,
  startSeeding,
  trackersOfSeedings,
} from "../servers/seeding.ts";
import { sayListening, serveUntilSignalled } from "../servers/serve.ts";
import { sayCreated } from "./create.ts";
import { publish } from "./publish.ts";

export async function runSeed(invocation: VerbInvocation<"seed">): Promise<void> {
  const { flags, out, signal } = invocation;
  const seedings = await collect(invocation);
  const trackers = await trackersOfSeedings(seedings, flags, signal);
  const forOthers = { zone: flags.zone, drainMs: flags.drainTimeout };
  const peer = await startSeeding(seedings, trackers, flags, out, forOthers);
  try {
    for (const { torrent } of seedings) await publish(torrent, torrent.fileName, flags, out, signal);
  } catch (error) {
    await peer.close();
    throw error;
  }
  sayListening("seed", peer.url, out);
  await serveUntilSignalled(signal, peer);
}

/** Pairs each path with its torrent: the one of --torrent, or one that is made now. */
async function collect({ args, flags, out, signal }: VerbInvocation<"seed">): Promise<Seeding[]> {
  const torrents = await readTorrents(flags.createdTorrents);
  const seedings: Seeding[] = [];
  for (const path of args) {
    const given = await givenTorrent(path, args, torrents);
    const torrent = given ?? (await makeTorrent(path, flags, out, signal));
    if (!given) sayCreated(torrent, undefined, out);
    seedings.push({ path, torrent });
  }
  return seedings;
}
