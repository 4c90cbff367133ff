import { messageOf } from "#core/base/errors.ts";
import { dataDir } from "../clients/data-dir.ts";
import { trackersOfCatalog } from "../clients/find-trackers.ts";
import { readTorrentFile } from "../clients/torrent-source.ts";
import { UsageError } from "../line/exit-code.ts";
import type { Invocation } from "../line/invocation.ts";
import type { CommonOption, Flags, ServerOption } from "../line/options.ts";
import type { Output } from "../line/output.ts";
import { rememberUploadToken, uploadOptions, volunteerRules } from "../servers/accept-uploads.ts";
import { givenTorrent, readTorrents, type Seeding, startSeeding } from "../servers/seeding.ts";
import { serveUntilSignalled } from "../servers/serve.ts";

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
  | "role"
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

type PeerFlags = Flags<Options | ServerOption | CommonOption>;

export async function run({
  args,
  flags,
  out,
  signal,
}: Invocation<Options | ServerOption | CommonOption>): Promise<void> {
  check(args, flags);
  const { role } = flags;
  if (role === "replicate") return replicate(flags, out, signal);
  const torrents = await readTorrents(flags.torrents);
  const seedings: Seeding[] = [];
  for (const path of args) {
    const torrent = (await givenTorrent(path, args, torrents)) ?? (await torrentBeside(path));
    seedings.push({ path, torrent });
  }
  if (role === "announce") {
    const { announceUntilSignalled } = await import("../servers/peer-role.ts");
    return announceUntilSignalled(await trackersOf(seedings, flags, signal), flags, out, signal);
  }
  const trackers = role === "serve" ? [] : await trackersOf(seedings, flags, signal);
  const uploads = await uploadOptions(flags, out);
  const peer = await startSeeding(seedings, trackers, flags, out, {
    uploads,
    drainMs: flags.drainTimeout,
    ...(role === "serve"
      ? await servingPart(flags, out)
      : { zone: flags.zone, volunteer: await volunteerRules(flags) }),
    // What lies here for others is nobody's to look after but ours.
    ...((uploads || (!role && flags.volunteer)) && { scrub: scrubbing(flags) }),
  });
  await rememberUploadToken(flags, uploads, peer.url);
  out.event("listening", { verb: "peer", url: peer.url, pid: process.pid }, `Peer at ${peer.url}`);
  await serveUntilSignalled(signal, peer);
}

function check(args: readonly string[], flags: PeerFlags): void {
  const { role, peerPort, volunteer, acceptUploads, zone } = flags;
  if (role !== undefined && peerPort === 0)
    throw new UsageError("--role: say a --port other than 0, the same for all parts of the peer");
  if (role === "replicate" && volunteer === undefined)
    throw new UsageError("--role replicate: say --volunteer");
  if (!role && args.length === 0 && acceptUploads === undefined && volunteer === undefined)
    throw new UsageError("nothing to serve: name a file or folder, or say --volunteer or --accept-uploads");
  if (zone !== undefined && Buffer.byteLength(zone) > MAX_ZONE_BYTES)
    throw new UsageError(`--zone: at most ${MAX_ZONE_BYTES} bytes`);
}

async function replicate(flags: PeerFlags, out: Output, signal: AbortSignal): Promise<void> {
  const { replicateUntilSignalled } = await import("../servers/peer-role.ts");
  const volunteer = (await volunteerRules(flags))!;
  return replicateUntilSignalled({ volunteer, scrub: scrubbing(flags) }, flags, out, signal);
}

async function servingPart(flags: PeerFlags, out: Output) {
  const { serveRole } = await import("../../peer/roles/serve-role.ts");
  return serveRole(dataDir(flags), flags.peerPort, (line) => out.log(line));
}

async function trackersOf(
  seedings: readonly Seeding[],
  flags: PeerFlags,
  signal: AbortSignal,
): Promise<string[]> {
  const known = new Set([...seedings.flatMap(({ torrent }) => torrent.trackers), ...flags.tracker]);
  return known.size > 0 ? [...known] : trackersOfCatalog(flags.catalog, flags, signal);
}

function scrubbing({ limitScrub, scrubEvery }: PeerFlags) {
  return { bytesPerSecond: limitScrub, everyMs: scrubEvery };
}

/** What `create` wrote: PATH.json. */
async function torrentBeside(path: string) {
  const file = `${path.replace(/[/\\]+$/, "")}.json`;
  return readTorrentFile(file).catch((cause) => {
    throw new UsageError(`no torrent for ${path}: say --torrent (${messageOf(cause)})`, { cause });
  });
}
