import type { SwarmMember } from "../store/swarm-store.ts";
import { TABLE_SIZE } from "./windows.ts";

/** With this many seeders in its own zone a downloader needs no peer of another zone. */
const NEAR_SEEDERS = 3;
/** So many suspects are always named, because reports may be lies and all honest seeders may be suspects. */
const LEAST_SUSPECTS = 3;
/** Suspects take at most this part of a table. */
const SUSPECT_PLACES = TABLE_SIZE / 2;

/** The peers that downloaders of one zone are told of, each list in lease order. */
export interface NamedPeers {
  /** Peers of the downloader's zone; empty for a downloader without a zone. */
  readonly near: readonly SwarmMember[];
  /** The other peers that it is told of. */
  readonly far: readonly SwarmMember[];
  /** Peers that are reported to fail, of all zones. An answer names `suspectPlaces` of them, after all others. */
  readonly suspects: readonly SwarmMember[];
  readonly suspectPlaces: number;
}

/**
 * Chooses the peers of a swarm that a downloader of this zone is told of. If the zone has three seeders, the
 * downloader is told of its zone alone.
 *
 * Peers that are reported to fail are suspects. If every seeder is one, the reports change nothing. Else an answer
 * names as many suspects as unsuspected seeders, and at least three: one lying peer without reports must not be the
 * only one that is named.
 */
export function namedPeers(
  all: readonly SwarmMember[],
  zone: string,
  isSuspect: (url: string) => boolean,
): NamedPeers {
  const named = all.filter(({ listed, draining }) => listed && !draining);
  const suspected = named.filter(({ url }) => isSuspect(url));
  const healthy = suspected.length === 0 ? named : named.filter(({ url }) => !isSuspect(url));
  if (seedersOf(healthy) === 0) return { ...ofZone(named, zone), suspects: [], suspectPlaces: 0 };
  const chosen = ofZone(healthy, zone);
  const wanted = Math.max(LEAST_SUSPECTS, seedersOf(chosen.near) + seedersOf(chosen.far));
  const suspectPlaces = Math.min(suspected.length, SUSPECT_PLACES, wanted);
  return { ...chosen, suspects: suspected, suspectPlaces };
}

function ofZone(members: readonly SwarmMember[], zone: string): Pick<NamedPeers, "near" | "far"> {
  if (zone === "") return { near: [], far: members };
  const near = members.filter((member) => member.zone === zone);
  if (seedersOf(near) >= NEAR_SEEDERS) return { near, far: [] };
  return { near, far: members.filter((member) => member.zone !== zone) };
}

function seedersOf(members: readonly SwarmMember[]): number {
  return members.reduce((count, { bitfield }) => count + (bitfield.complete ? 1 : 0), 0);
}
