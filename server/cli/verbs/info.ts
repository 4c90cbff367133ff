import { torrentJson } from "#core/torrent/torrent-json.ts";
import type { Invocation } from "../invocation.ts";
import type { CommonOption } from "../options.ts";
import { findTorrent } from "../torrent-source.ts";
import { describeTorrent } from "../torrent-text.ts";

export async function run({ args, flags, out, signal }: Invocation<"catalog" | CommonOption>): Promise<void> {
  const { torrent } = await findTorrent(args[0]!, flags, signal);
  out.result("torrent", { ...torrentJson(torrent) }, ...describeTorrent(torrent));
}
