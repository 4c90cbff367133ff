import { Bitfield } from "../base/bitfield.ts";
import { PiezaError } from "../base/errors.ts";
import { isPeerUrl } from "../base/server-url.ts";
import type { LocateQuery, SwarmPeer, SwarmTable } from "../ports/tracker.ts";

/** Peers that a tracker names at most; more are cut off. */
const MAX_PEERS = 50;
/** Swarms whose last answer is kept, and the longest revision in bytes. */
const MAX_KNOWN = 16;
const MAX_REVISION_BYTES = 400;
/** Bounds on the pause that a tracker asks for: it must neither send us away nor make us hammer it. */
const MIN_INTERVAL_MS = 250;
const MAX_INTERVAL_MS = 300_000;

/** A LocatePiecesRequest, for the library or for our own encoder. */
export interface LocateRequest {
  readonly infoHash: string;
  readonly fileName: string;
  readonly totalPieces: number;
  readonly since?: Uint8Array<ArrayBuffer>;
  readonly zone: string;
}

/** A LocatePiecesResponse, from the library or from our own decoder. */
export interface LocateAnswer {
  readonly totalPieces: number;
  readonly peers: readonly LocatedPeer[];
  readonly turn: number;
  readonly trackerId: string;
  readonly nextLocateMs: number;
  readonly seedPeers: readonly { readonly url: string; readonly declared: Uint8Array }[];
  readonly seedPieces: readonly { readonly number: number; readonly hash: string }[];
  readonly revision: Uint8Array;
}

export interface LocatedPeer {
  readonly url: string;
  readonly complete: boolean;
  readonly bitfield: Uint8Array;
  readonly unchanged: boolean;
}

/** An answer, and the tracker's name for the state in it. */
interface KnownTable {
  readonly revision: Uint8Array<ArrayBuffer>;
  readonly table: SwarmTable;
}

/** The last table of each swarm from one tracker, so that the tracker has to send only what has changed since. */
export class LocateTables {
  readonly #tables = new Map<string, KnownTable>();

  /** The request to send, and a function that reads its answer. That throws PiezaError for another swarm's answer. */
  asking(query: LocateQuery): { request: LocateRequest; read(answer: LocateAnswer): SwarmTable } {
    const { infoHash, totalPieces, fileName = "", zone = "" } = query;
    const known = this.#tables.get(keyOf(query));
    return {
      request: { infoHash, totalPieces, fileName, zone, ...(known && { since: known.revision }) },
      read: (answer) => {
        const table = tableOf(answer, query, known?.table);
        this.#keep(keyOf(query), { revision: Uint8Array.from(answer.revision), table });
        return table;
      },
    };
  }

  /** Forgets the least recently asked swarm first. A revision that is too long is not kept. */
  #keep(key: string, known: KnownTable): void {
    this.#tables.delete(key);
    if (known.revision.length === 0 || known.revision.length > MAX_REVISION_BYTES) return;
    this.#tables.set(key, known);
    if (this.#tables.size > MAX_KNOWN) this.#tables.delete(this.#tables.keys().next().value!);
  }
}

function keyOf({ infoHash, totalPieces }: LocateQuery): string {
  return `${infoHash} ${totalPieces}`;
}

function tableOf(answer: LocateAnswer, swarm: LocateQuery, before?: SwarmTable): SwarmTable {
  const problem = `the tracker's swarm has ${answer.totalPieces} pieces, not ${swarm.totalPieces}`;
  if (answer.totalPieces !== swarm.totalPieces) throw new PiezaError("internal", problem);
  const named = answer.peers.slice(0, MAX_PEERS).map((peer) => ({
    url: peer.url,
    bitfield: bitfieldOf(peer, swarm, before),
  }));
  const all = [...named, ...legacyPeersOf(answer, swarm.pieces ?? [])];
  // One by one, because a client cannot be made for what is no address.
  const peers = all.filter(({ url }) => isPeerUrl(url));
  return {
    peers,
    ...(peers.length < all.length && { badUrls: all.length - peers.length }),
    turn: answer.turn,
    trackerId: answer.trackerId,
    nextLocateMs: interval(answer.nextLocateMs),
  };
}

/** A peer that is called unchanged but was in no answer before counts as a peer without pieces. */
function bitfieldOf(peer: LocatedPeer, { totalPieces }: LocateQuery, before?: SwarmTable): Bitfield {
  if (peer.complete) return Bitfield.full(totalPieces);
  if (!peer.unchanged) return Bitfield.fromBytes(totalPieces, peer.bitfield);
  const known = before?.peers.find(({ url, legacy }) => url === peer.url && !legacy);
  return known?.bitfield ?? new Bitfield(totalPieces);
}

/** The pieces of this torrent that legacy peers declare. Peers that declare none of them are left out. */
function legacyPeersOf({ seedPeers, seedPieces }: LocateAnswer, pieces: readonly string[]): SwarmPeer[] {
  const ours = seedPieces.map(({ number, hash }) => pieces[number - 1] === hash.toLowerCase());
  return seedPeers.slice(0, MAX_PEERS).flatMap(({ url, declared }) => {
    const bitfield = new Bitfield(pieces.length);
    for (const place of Bitfield.fromBytes(seedPieces.length, declared))
      if (ours[place]) bitfield.set(seedPieces[place]!.number - 1);
    return bitfield.count > 0 ? [{ url, bitfield, legacy: true }] : [];
  });
}

/** The pause in milliseconds that a tracker asks for, within bounds. */
export function interval(ms: number): number {
  return Math.min(MAX_INTERVAL_MS, Math.max(MIN_INTERVAL_MS, ms));
}
