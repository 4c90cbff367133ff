import { trackersOfCatalog } from "../clients/find-trackers.ts";
import { makeTorrent } from "../clients/make-torrent.ts";
import type { Invocation } from "../line/invocation.ts";
import type { CommonOption, ServerOption } from "../line/options.ts";
import { givenTorrent, readTorrents, type Seeding, startSeeding } from "../servers/seeding.ts";
import { serveUntilSignalled } from "../servers/serve.ts";
import { sayCreated } from "./create.ts";
import { publish } from "./publish.ts";

type Options =
  | "peerPort"
  | "createdTorrents"
  | "inventory"
  | "pieces"
  | "replace"
  | "pieceLength"
  | "comment"
  | "replicationTarget"
  | "tracker"
  | "catalog"
  | "limitUpload"
  | "zone"
  | "drainTimeout"
  | "logRequests";

type SeedInvocation = Invocation<Options | ServerOption | CommonOption>;

export async function run(invocation: SeedInvocation): Promise<void> {
  const { flags, out, signal } = invocation;
  const seedings = await collect(invocation);
  const trackers = new Set([...seedings.flatMap(({ torrent }) => torrent.trackers), ...flags.tracker]);
  const named = trackers.size > 0 ? [...trackers] : await trackersOfCatalog(flags.catalog, flags, signal);
  const forOthers = { zone: flags.zone, drainMs: flags.drainTimeout };
  const peer = await startSeeding(seedings, named, flags, out, forOthers);
  try {
    for (const { torrent } of seedings) await publish(torrent, torrent.fileName, flags, out, signal);
  } catch (error) {
    await peer.close();
    throw error;
  }
  out.event("listening", { verb: "seed", url: peer.url, pid: process.pid }, `Peer at ${peer.url}`);
  await serveUntilSignalled(signal, peer);
}

/** Each path with its torrent: a given one, or one made now. */
async function collect({ args, flags, out, signal }: SeedInvocation): Promise<Seeding[]> {
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
