import { messageOf } from "#core/base/errors.ts";
import { dataDir } from "../clients/data-dir.ts";
import { readTorrentFile } from "../clients/torrent-source.ts";
import { UsageError } from "../line/exit-code.ts";
import type { Output } from "../line/output.ts";
import type { VerbFlags, VerbInvocation } from "../line/verb-options.ts";
import {
  adviseOnUploads,
  rememberUploadToken,
  uploadOptions,
  uploadOrigins,
  volunteerRules,
} from "../servers/accept-uploads.ts";
import { gatewayRules } from "../servers/gateway.ts";
import {
  completed,
  openSeedings,
  pairWithTorrents,
  startSeeder,
  trackersOfSeedings,
} from "../servers/seeding.ts";
import { edgeOptions, orClose, sayListening, serveUntilSignalled } from "../servers/serve.ts";

type PeerFlags = VerbFlags<"peer">;

/** The longest zone that a tracker accepts. */
const MAX_ZONE_BYTES = 64;

export async function runPeer({ args, flags, out, signal }: VerbInvocation<"peer">): Promise<void> {
  check(args, flags);
  const { role } = flags;
  if (role === "replicate") return replicate(flags, out, signal);
  const seedings = await completed(await pairWithTorrents(args, flags.torrents), torrentBeside);
  const trackersOf = () =>
    trackersOfSeedings(
      seedings.map(({ torrent }) => torrent),
      flags,
      out,
      signal,
    );
  if (role === "announce") {
    const { announceUntilSignalled } = await import("../servers/peer-role.ts");
    return announceUntilSignalled(await trackersOf(), flags, out, signal);
  }
  const trackers = role === "serve" ? [] : await trackersOf();
  const uploads = await uploadOptions(flags, out);
  const addSeedings = await openSeedings(seedings, flags, out);
  const edge = edgeOptions({ ...flags, allowOrigin: uploadOrigins(flags) }, flags.peerPort, out);
  const peer = await startSeeder({ edge, trackers }, flags, out, {
    uploads,
    drainMs: flags.drainTimeout,
    ...(role === "serve"
      ? await servingPart(flags, out)
      : { zone: flags.zone, volunteer: await volunteerRules(flags), allowNetworks: flags.allowNetwork }),
    ...(flags.gateway && { gateway: await gatewayRules(flags, out, signal) }),
    // Only this peer can notice that uploads and copies on its disk have gone bad, so it scrubs them.
    ...((uploads || (!role && flags.volunteer)) && { scrub: scrubbing(flags) }),
  });
  addSeedings(peer);
  await orClose(peer, () => rememberUploadToken(flags, uploads, peer.url));
  sayListening("peer", peer.url, out);
  void adviseOnUploads(flags, peer.url, out, signal);
  await serveUntilSignalled(signal, peer);
}

function check(args: readonly string[], flags: PeerFlags): void {
  const { role, peerPort, volunteer, acceptUploads, gateway, zone } = flags;
  if (role !== undefined && peerPort === 0)
    throw new UsageError("--role needs a --port other than 0, the same for all parts of the peer");
  if (role === "replicate" && volunteer === undefined)
    throw new UsageError("--role replicate needs --volunteer");
  if (gateway && role) throw new UsageError("--gateway does not go with --role");
  const serves = args.length > 0 || gateway || acceptUploads !== undefined || volunteer !== undefined;
  if (!role && !serves)
    throw new UsageError(
      "nothing to serve: give a file or folder, --volunteer, --accept-uploads or --gateway",
    );
  if (zone !== undefined && Buffer.byteLength(zone) > MAX_ZONE_BYTES)
    throw new UsageError(`--zone takes at most ${MAX_ZONE_BYTES} bytes`);
  if (zone !== undefined && /\p{Cc}/u.test(zone))
    throw new UsageError("--zone takes no control characters, such as a line break");
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

function scrubbing({ limitScrub, scrubEvery }: PeerFlags) {
  return { bytesPerSecond: limitScrub, everyMs: scrubEvery };
}

/** The torrent in PATH.json, where `pieza create` writes it. */
async function torrentBeside(path: string) {
  const file = `${path.replace(/[/\\]+$/, "")}.json`;
  return readTorrentFile(file).catch((cause) => {
    throw new UsageError(`no torrent for ${path}; give --torrent (${messageOf(cause)})`, { cause });
  });
}
