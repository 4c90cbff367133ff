import type { SwarmMember } from "../store/swarm-store.ts";

/** With this many seeders in its own zone a downloader needs no peer of another zone. */
const NEAR_SEEDERS = 3;

/** The peers that downloaders of one zone are told of, each list in lease order. */
export interface NamedPeers {
  /** Peers of the downloader's zone; empty for a downloader without a zone. */
  readonly near: readonly SwarmMember[];
  /** The other peers that it is told of. */
  readonly far: readonly SwarmMember[];
}

/**
 * Chooses the peers of a swarm that a downloader of this zone is told of. Peers that are reported to fail are left
 * out if a seeder remains without them. If the zone has three such seeders, the downloader is told of its zone alone.
 */
export function namedPeers(
  all: readonly SwarmMember[],
  zone: string,
  isSuspect: (url: string) => boolean,
): NamedPeers {
  const named = all.filter(({ listed, draining }) => listed && !draining);
  const healthy = named.filter(({ url }) => !isSuspect(url));
  const members = healthy.length < named.length && seedersOf(healthy) > 0 ? healthy : named;
  if (zone === "") return { near: [], far: members };
  const near = members.filter((member) => member.zone === zone);
  if (seedersOf(near) >= NEAR_SEEDERS) return { near, far: [] };
  return { near, far: members.filter((member) => member.zone !== zone) };
}

function seedersOf(members: readonly SwarmMember[]): number {
  return members.reduce((count, { bitfield }) => count + (bitfield.complete ? 1 : 0), 0);
}
