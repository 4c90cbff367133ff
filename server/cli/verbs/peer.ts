import { messageOf } from "#core/errors.ts";
import { rememberUploadToken, uploadOptions, volunteerRules } from "../accept-uploads.ts";
import { UsageError } from "../exit-code.ts";
import { trackersOfCatalog } from "../find-trackers.ts";
import type { Invocation } from "../invocation.ts";
import type { CommonOption, ServerOption } from "../options.ts";
import { givenTorrent, readTorrents, type Seeding, startSeeding } from "../seeding.ts";
import { serveUntilSignalled } from "../serve.ts";
import { readTorrentFile } from "../torrent-source.ts";

type Options =
  | "peerPort"
  | "torrents"
  | "inventory"
  | "pieces"
  | "acceptUploads"
  | "uploadExpiry"
  | "volunteer"
  | "limitCopies"
  | "zone"
  | "drainTimeout"
  | "scrubEvery"
  | "limitScrub"
  | "open"
  | "tracker"
  | "catalog"
  | "limitUpload"
  | "logRequests";

/** What a tracker takes. */
const MAX_ZONE_BYTES = 64;

export async function run({
  args,
  flags,
  out,
  signal,
}: Invocation<Options | ServerOption | CommonOption>): Promise<void> {
  if (args.length === 0 && flags.acceptUploads === undefined && flags.volunteer === undefined)
    throw new UsageError("nothing to serve: name a file or folder, or say --volunteer or --accept-uploads");
  if (flags.zone !== undefined && Buffer.byteLength(flags.zone) > MAX_ZONE_BYTES)
    throw new UsageError(`--zone: at most ${MAX_ZONE_BYTES} bytes`);
  const torrents = await readTorrents(flags.torrents);
  const seedings: Seeding[] = [];
  for (const path of args) {
    const torrent = (await givenTorrent(path, args, torrents)) ?? (await torrentBeside(path));
    seedings.push({ path, torrent });
  }
  const trackers = new Set([...seedings.flatMap(({ torrent }) => torrent.trackers), ...flags.tracker]);
  const named = trackers.size > 0 ? [...trackers] : await trackersOfCatalog(flags.catalog, flags, signal);
  const uploads = await uploadOptions(flags, out);
  const volunteer = await volunteerRules(flags);
  const peer = await startSeeding(seedings, named, flags, out, {
    ...{ uploads, volunteer },
    zone: flags.zone,
    drainMs: flags.drainTimeout,
    // What lies here for others is nobody's to look after but ours.
    ...((uploads || volunteer) && {
      scrub: { bytesPerSecond: flags.limitScrub, everyMs: flags.scrubEvery },
    }),
  });
  await rememberUploadToken(flags, uploads, peer.url);
  out.event("listening", { verb: "peer", url: peer.url, pid: process.pid }, `Peer at ${peer.url}`);
  await serveUntilSignalled(signal, peer);
}

/** What `create` wrote: PATH.json. */
async function torrentBeside(path: string) {
  const file = `${path.replace(/[/\\]+$/, "")}.json`;
  return readTorrentFile(file).catch((cause) => {
    throw new UsageError(`no torrent for ${path}: say --torrent (${messageOf(cause)})`, { cause });
  });
}
