import type { SwarmMember } from "../store/swarm-store.ts";

/** Seeders near an asker that make it independent of who is far. */
const NEAR_SEEDERS = 3;

/** Peers that one kind of asker is told of, each list in lease order. */
export interface NamedPeers {
  /** Of the asker's zone; empty for everybody who has no such choice. */
  readonly near: readonly SwarmMember[];
  /** The others that it is told of. */
  readonly far: readonly SwarmMember[];
}

/**
 * Which peers of a swarm may be named to somebody in this zone. Who is reported to fail is left out while a seeder
 * is there who is not: whoever would be missed stays. Where three such seeders are of the asker's zone, it is told of
 * its zone alone.
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
