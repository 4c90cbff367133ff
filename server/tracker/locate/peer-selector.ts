import type { Random } from "#core/base/clock.ts";
import { PiezaError } from "#core/base/errors.ts";
import type { SwarmKey } from "#core/ports/tracker.ts";
import type { FailureVotes } from "../store/failure-votes.ts";
import type { LegacyMember, SwarmMember, SwarmSnapshot, SwarmStore } from "../store/swarm-store.ts";
import { namedPeers } from "./named-peers.ts";
import { NearWindows } from "./near-windows.ts";
import { SuspectWindows } from "./suspect-windows.ts";
import { TableWindows } from "./table-windows.ts";
import { Turns } from "./turns.ts";
import { TABLE_SIZE, type Windows } from "./windows.ts";

/** Legacy peers that one answer names besides the peers of the swarm. */
const LEGACY_TABLE_SIZE = 16;

const NONE: readonly never[] = [];

/** Selects a swarm by info hash, or by file name if the caller knows none. Legacy peers are found by name alone. */
export interface SwarmQuery {
  readonly infoHash?: string | undefined;
  readonly fileName?: string | undefined;
  /** 0: not known. */
  readonly totalPieces: number;
  /** The downloader's zone; left out: not known. */
  readonly zone?: string | undefined;
}

/** The peers that one answer names. */
export interface PeerSelection {
  /** Undefined if only legacy peers have the file. */
  readonly swarm: SwarmSnapshot | undefined;
  readonly peers: readonly SwarmMember[];
  readonly legacyPeers: readonly LegacyMember[];
  /** Whose turn it is among `peers` (see core/base/round-robin.ts). */
  readonly turn: number;
}

/** The tables of one state of a swarm. */
interface Tables {
  /** The version of the failure votes that the tables were made with. */
  readonly version: number;
  readonly byZone: Map<string, ZoneTables>;
}

interface ZoneTables {
  readonly windows: Windows;
  /** Downloaders of one zone take turns among themselves. */
  readonly turnKey: string;
}

/** Finds the swarm that a query means, and selects the peers that each answer names: every answer takes its turn. */
export class PeerSelector {
  readonly #store: SwarmStore;
  readonly #turns: Turns;
  readonly #votes: FailureVotes;
  readonly #tables = new WeakMap<SwarmSnapshot, Tables>();

  constructor(store: SwarmStore, votes: FailureVotes, random: Random) {
    this.#store = store;
    this.#votes = votes;
    this.#turns = new Turns(random);
  }

  /** Selects the peers of the swarm's next answer. Throws as `find` does, unless legacy peers have the file. */
  async select(query: SwarmQuery): Promise<PeerSelection> {
    const legacyFile = query.fileName ? await this.#store.legacyFile(query.fileName) : undefined;
    const swarm = await this.#search(query);
    const declared = legacyFile?.members ?? NONE;
    if (!swarm) {
      if (!legacyFile) throw notAnnounced();
      const turn = this.#turns.next(`name ${query.fileName}`);
      return { swarm, peers: NONE, legacyPeers: window(declared, LEGACY_TABLE_SIZE, turn), turn };
    }
    const { windows, turnKey } = this.#tablesFor(swarm, zoneOf(swarm, query));
    const answer = this.#turns.next(turnKey);
    const { peers, turn } = windows.at(answer);
    return { swarm, peers, legacyPeers: window(declared, LEGACY_TABLE_SIZE, answer), turn };
  }

  /** Finds a swarm. Throws not_found, and failed_precondition if the query fits several swarms. */
  async find(query: SwarmQuery): Promise<SwarmSnapshot> {
    const swarm = await this.#search(query);
    if (!swarm) throw notAnnounced();
    return swarm;
  }

  #search(query: SwarmQuery): Promise<SwarmSnapshot | undefined> {
    const { infoHash, totalPieces } = query;
    return infoHash && totalPieces > 0
      ? this.#store.swarm({ infoHash, totalPieces })
      : this.#searchAll(query);
  }

  async #searchAll(query: SwarmQuery): Promise<SwarmSnapshot | undefined> {
    const live: SwarmSnapshot[] = [];
    for (const key of await this.#keys(query)) {
      const swarm = await this.#store.swarm(key);
      if (swarm) live.push(swarm);
    }
    if (live.length > 1) {
      const missing = query.infoHash ? "total_pieces" : "info_hash";
      throw new PiezaError("failed_precondition", `several torrents fit: say ${missing} too`);
    }
    return live[0];
  }

  async #keys({ infoHash, fileName, totalPieces }: SwarmQuery): Promise<readonly SwarmKey[]> {
    const keys = infoHash
      ? await this.#store.swarmsOf(infoHash)
      : await this.#store.swarmsNamed(fileName ?? "");
    return totalPieces > 0 ? keys.filter((key) => key.totalPieces === totalPieces) : keys;
  }

  #tablesFor(swarm: SwarmSnapshot, zone: string): ZoneTables {
    const { version } = this.#votes;
    const known = this.#tables.get(swarm);
    const tables = known?.version === version ? known : { version, byZone: new Map<string, ZoneTables>() };
    if (tables !== known) this.#tables.set(swarm, tables);
    const made = tables.byZone.get(zone);
    if (made) return made;
    const turnKey = `${swarm.infoHash} ${swarm.totalPieces} ${zone}`;
    const fresh = { windows: this.#makeWindows(swarm, zone), turnKey };
    tables.byZone.set(zone, fresh);
    return fresh;
  }

  #makeWindows({ members }: SwarmSnapshot, zone: string): Windows {
    const named = namedPeers(members, zone, (url) => this.#votes.isSuspect(url));
    const { near, far, suspects, suspectPlaces } = named;
    const size = TABLE_SIZE - suspectPlaces;
    const others =
      near.length > 0 && far.length > 0
        ? new NearWindows(near, far, size)
        : new TableWindows({ members: near.length > 0 ? near : far }, size);
    return suspectPlaces > 0 ? new SuspectWindows(others, suspects, suspectPlaces) : others;
  }
}

function notAnnounced(): PiezaError {
  return new PiezaError("not_found", "no peer has announced this torrent");
}

/** The query's zone, or none if no peer of the swarm is in it, because a caller can make up any number of zones. */
function zoneOf({ members }: SwarmSnapshot, { zone = "" }: SwarmQuery): string {
  return zone !== "" && members.some((member) => member.zone === zone) ? zone : "";
}

/** At most `size` items of a list, from another start at each turn if the list is longer. */
function window<T>(list: readonly T[], size: number, turn: number): readonly T[] {
  if (list.length <= size) return list;
  return Array.from({ length: size }, (_, at) => list[(turn + at) % list.length]!);
}
