import { torrentJson } from "#core/torrent/torrent-json.ts";
import { findTorrent } from "../clients/torrent-source.ts";
import { describeTorrent } from "../clients/torrent-text.ts";
import type { VerbInvocation } from "../line/verb-options.ts";

export async function runInfo({ args, flags, out, signal }: VerbInvocation<"info">): Promise<void> {
  const { torrent } = await findTorrent(args[0]!, flags, signal);
  out.result("torrent", { ...torrentJson(torrent) }, ...describeTorrent(torrent));
}
