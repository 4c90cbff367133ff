import { makeTorrent } from "../clients/make-torrent.ts";
import type { VerbInvocation } from "../line/verb-options.ts";
import { pairWithTorrents, startSeeding, trackersOfSeedings } from "../servers/seeding.ts";
import { sayListening, serveUntilSignalled } from "../servers/serve.ts";
import { sayCreated } from "./create.ts";
import { publish } from "./publish.ts";

export async function runSeed({ args, flags, out, signal }: VerbInvocation<"seed">): Promise<void> {
  const seedings = await pairWithTorrents(args, flags.createdTorrents, async (path) => {
    const torrent = await makeTorrent(path, flags, out, signal);
    sayCreated(torrent, undefined, out);
    return torrent;
  });
  const trackers = await trackersOfSeedings(seedings, flags, out, signal);
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
