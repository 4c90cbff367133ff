import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { createClient, type Transport } from "@connectrpc/connect";
import {
  AnnounceRequestSchema,
  type AnnounceResponse,
  type LocatePiecesResponse,
  type SwarmPeer as SwarmPeerMessage,
  TrackerService,
  AnnounceEvent as WireEvent,
} from "../gen/pieza/v1/tracker_pb.ts";
import { Bitfield } from "./bitfield.ts";
import { PiezaError } from "./errors.ts";
import { calling } from "./rpc-call.ts";
import { ordersOf, replicationOf } from "./rpc-replication.ts";
import type {
  Announce,
  Announced,
  AnnouncedTorrent,
  AnnounceEvent,
  Lease,
  LocateQuery,
  SwarmPeer,
  SwarmTable,
  Tracker,
} from "./tracker.ts";

/** Trackers answer small questions; a client has others to ask. */
const TIMEOUT_MS = 10_000;
/** What a tracker names at most; more is cut off. */
const MAX_PEERS = 50;
/** Swarms whose last answer is kept, and how long a revision may be. */
const MAX_KNOWN = 16;
const MAX_REVISION_BYTES = 400;
/** A tracker may slow us down, not send us away; and it may not make us hammer it. */
const MIN_INTERVAL_MS = 250;
const MAX_INTERVAL_MS = 300_000;

const events: Readonly<Record<AnnounceEvent, WireEvent>> = {
  heartbeat: WireEvent.UNSPECIFIED,
  started: WireEvent.STARTED,
  progress: WireEvent.PROGRESS,
  completed: WireEvent.COMPLETED,
  draining: WireEvent.DRAINING,
  stopped: WireEvent.STOPPED,
};

export interface RemoteTrackerOptions {
  /** Scheme, host and port. */
  readonly url: string;
  readonly transport: Transport;
}

export function remoteTracker({ url, transport }: RemoteTrackerOptions): Tracker {
  const client = createClient(TrackerService, transport);
  const tables = new KnownTables();
  return {
    url,
    announce: (announce, signal) =>
      calling(signal, async () => {
        const request = create(AnnounceRequestSchema, requestOf(announce));
        return announcedOf(await client.announce(request, { signal, timeoutMs: TIMEOUT_MS }), announce.lease);
      }),
    locate: (query, signal) =>
      calling(signal, async () => {
        const { infoHash, totalPieces, fileName = "", zone = "" } = query;
        const known = tables.get(query);
        const request = { infoHash, totalPieces, fileName, zone, ...(known && { since: known.revision }) };
        const answer = await client.locatePieces(request, { signal, timeoutMs: TIMEOUT_MS });
        const table = tableOf(answer, query, known?.table);
        tables.set(query, { revision: Uint8Array.from(answer.revision), table });
        return table;
      }),
  };
}

function requestOf(announce: Announce): MessageInitShape<typeof AnnounceRequestSchema> {
  return {
    event: events[announce.event],
    ...(announce.lease && { leaseId: announce.lease.id, leaseSecret: announce.lease.secret }),
    ...announce.address,
    torrents: announce.torrents.map(torrentOf),
    left: [...announce.left],
    zone: announce.zone ?? "",
    ...replicationOf(announce),
  };
}

function torrentOf({ bitfield, ...torrent }: AnnouncedTorrent) {
  return {
    infoHash: torrent.infoHash,
    fileName: torrent.fileName,
    totalPieces: torrent.totalPieces,
    revision: BigInt(torrent.revision),
    complete: bitfield?.complete ?? false,
    ...(bitfield && !bitfield.complete && { bitfield: bitfield.toBytes() }),
    replicationTarget: torrent.replicationTarget ?? 0,
    pieceLength: torrent.pieceLength ?? 0,
  };
}

function announcedOf(answer: AnnounceResponse, lease: Lease | undefined): Announced {
  const secret = answer.leaseSecret || lease?.secret;
  if (!answer.leaseId || !secret) throw new PiezaError("internal", "the tracker answered without a lease");
  return {
    lease: { id: answer.leaseId, secret },
    trackerId: answer.trackerId,
    nextAnnounceMs: interval(answer.nextAnnounceMs),
    listed: answer.listed,
    notListedReason: answer.notListedReason,
    url: answer.url,
    resend: answer.resend,
    ...ordersOf(answer),
  };
}

/** An answer, and what the tracker calls its state. */
interface KnownTable {
  readonly revision: Uint8Array<ArrayBuffer>;
  readonly table: SwarmTable;
}

/** The last answer for each swarm, so that only what has changed since need be sent. */
class KnownTables {
  readonly #tables = new Map<string, KnownTable>();

  get(swarm: LocateQuery): KnownTable | undefined {
    return this.#tables.get(keyOf(swarm));
  }

  /** The swarm that was asked for longest ago is forgotten first. A revision that is too long is none. */
  set(swarm: LocateQuery, known: KnownTable): void {
    const key = keyOf(swarm);
    this.#tables.delete(key);
    if (known.revision.length === 0 || known.revision.length > MAX_REVISION_BYTES) return;
    this.#tables.set(key, known);
    if (this.#tables.size > MAX_KNOWN) this.#tables.delete(this.#tables.keys().next().value!);
  }
}

function keyOf({ infoHash, totalPieces }: LocateQuery): string {
  return `${infoHash} ${totalPieces}`;
}

function tableOf(answer: LocatePiecesResponse, swarm: LocateQuery, before?: SwarmTable): SwarmTable {
  if (answer.totalPieces !== swarm.totalPieces) {
    throw new PiezaError(
      "internal",
      `the tracker spoke of ${answer.totalPieces} pieces, not ${swarm.totalPieces}`,
    );
  }
  const peers = answer.peers.slice(0, MAX_PEERS).map((peer) => ({
    url: peer.url,
    bitfield: bitfieldOf(peer, swarm, before),
  }));
  return {
    peers: [...peers, ...seedPeersOf(answer, swarm.pieces ?? [])],
    turn: answer.turn,
    trackerId: answer.trackerId,
    nextLocateMs: interval(answer.nextLocateMs),
  };
}

/** A tracker that calls something unchanged that it has not told us says that the peer has nothing. */
function bitfieldOf(peer: SwarmPeerMessage, { totalPieces }: LocateQuery, before?: SwarmTable): Bitfield {
  if (peer.complete) return Bitfield.full(totalPieces);
  if (!peer.unchanged) return Bitfield.fromBytes(totalPieces, peer.bitfield);
  const known = before?.peers.find(({ url, seed }) => url === peer.url && !seed);
  return known?.bitfield ?? new Bitfield(totalPieces);
}

/** What seed peers declare of this torrent; those that declare nothing of it, or the pieces of another, are left out. */
function seedPeersOf(
  { seedPeers, seedPieces }: LocatePiecesResponse,
  pieces: readonly string[],
): SwarmPeer[] {
  const ours = seedPieces.map(({ number, hash }) => pieces[number - 1] === hash.toLowerCase());
  return seedPeers.slice(0, MAX_PEERS).flatMap(({ url, declared }) => {
    const bitfield = new Bitfield(pieces.length);
    for (const place of Bitfield.fromBytes(seedPieces.length, declared)) {
      if (ours[place]) bitfield.set(seedPieces[place]!.number - 1);
    }
    return bitfield.count > 0 ? [{ url, bitfield, seed: true }] : [];
  });
}

function interval(ms: number): number {
  return Math.min(MAX_INTERVAL_MS, Math.max(MIN_INTERVAL_MS, ms));
}
