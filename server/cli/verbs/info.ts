import { torrentJson } from "#core/torrent/torrent-json.ts";
import { findTorrent } from "../clients/torrent-source.ts";
import { describeTorrent } from "../clients/torrent-text.ts";
import type { Invocation } from "../line/invocation.ts";
import type { CommonOption } from "../line/options.ts";

export async function run({ args, flags, out, signal }: Invocation<"catalog" | CommonOption>): Promise<void> {
  const { torrent } = await findTorrent(args[0]!, flags, signal);
  out.result("torrent", { ...torrentJson(torrent) }, ...describeTorrent(torrent));
}
