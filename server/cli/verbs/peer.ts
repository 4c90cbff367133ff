import { messageOf } from "#core/errors.ts";
import { rememberUploadToken, uploadOptions } from "../accept-uploads.ts";
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
  | "open"
  | "tracker"
  | "catalog"
  | "limitUpload"
  | "logRequests";

export async function run({
  args,
  flags,
  out,
  signal,
}: Invocation<Options | ServerOption | CommonOption>): Promise<void> {
  if (args.length === 0 && flags.acceptUploads === undefined)
    throw new UsageError("nothing to serve: name a file or folder, or say --accept-uploads");
  const torrents = await readTorrents(flags.torrents);
  const seedings: Seeding[] = [];
  for (const path of args) {
    const torrent = (await givenTorrent(path, args, torrents)) ?? (await torrentBeside(path));
    seedings.push({ path, torrent });
  }
  const trackers = new Set([...seedings.flatMap(({ torrent }) => torrent.trackers), ...flags.tracker]);
  const named = trackers.size > 0 ? [...trackers] : await trackersOfCatalog(flags.catalog, flags, signal);
  const uploads = await uploadOptions(flags, out);
  const peer = await startSeeding(seedings, named, flags, out, uploads);
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
