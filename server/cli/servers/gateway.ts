import { messageOf } from "#core/base/errors.ts";
import { type GatewayRules, MIN_CACHE_BYTES } from "../../peer/gateway/gateway.ts";
import type { RunningPeer } from "../../peer/peer.ts";
import { trackersFor, trackersOfCatalog } from "../clients/find-trackers.ts";
import { UsageError } from "../line/exit-code.ts";
import type { CommonOption, Flags, ServerOption } from "../line/options.ts";
import type { Output } from "../line/output.ts";
import { formatBytes } from "../line/units.ts";
import { catalogOf } from "./accept-uploads.ts";
import { type ForOthers, type SeedingFlags, startSeeder } from "./seeding.ts";
import { edgeOptions } from "./serve.ts";

export type GatewayFlags = Flags<CommonOption | "catalog" | "tracker" | "cache" | "gatewayGiveUpAfter">;

/** What a gateway serves, and with which space. Fails with UsageError for too small a cache. */
export async function gatewayRules(
  flags: GatewayFlags,
  out: Output,
  signal: AbortSignal,
): Promise<GatewayRules> {
  if (flags.cache < MIN_CACHE_BYTES)
    throw new UsageError(`--cache takes at least ${formatBytes(MIN_CACHE_BYTES)}`);
  return {
    catalogs: [await catalogOf(flags)],
    cacheBytes: flags.cache,
    giveUpAfterMs: flags.gatewayGiveUpAfter,
    trackersOf: (torrent) =>
      trackersFor({ torrent, catalogUrl: flags.catalog, from: flags.catalog }, flags, out, signal),
  };
}

/** The trackers to which a gateway announces what it has cached. A catalog that does not answer names none. */
async function trackersToTell(
  flags: GatewayFlags,
  out: Output,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (flags.tracker.length > 0) return flags.tracker;
  try {
    return await trackersOfCatalog(flags.catalog, flags, out, signal);
  } catch (error) {
    signal.throwIfAborted();
    out.warn(`what is cached is not announced to any tracker: ${messageOf(error)}`);
    return [];
  }
}

/** Starts a peer that serves nothing of its own, as a gateway. */
export async function startGateway(
  flags: GatewayFlags & Omit<SeedingFlags, "inventory" | "pieces" | "followLinks"> & Flags<ServerOption>,
  out: Output,
  signal: AbortSignal,
  forOthers: ForOthers = {},
): Promise<RunningPeer> {
  const gateway = await gatewayRules(flags, out, signal);
  const trackers = await trackersToTell(flags, out, signal);
  const own = { ...flags, inventory: undefined, pieces: undefined, followLinks: false };
  const edge = edgeOptions(flags, flags.peerPort, out);
  return startSeeder({ edge, trackers }, own, out, { ...forOthers, gateway });
}
