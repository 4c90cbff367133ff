import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import {
  AnnounceRequestSchema,
  type AnnounceResponse,
  TrackerService,
  AnnounceEvent as WireEvent,
} from "../../gen/pieza/v1/tracker_pb.ts";
import { PiezaError } from "../base/errors.ts";
import type {
  Announce,
  Announced,
  AnnouncedTorrent,
  AnnounceEvent,
  Lease,
  Tracker,
} from "../ports/tracker.ts";
import { calling, type RemoteOptions, SMALL_TIMEOUT_MS } from "./call.ts";
import { interval, LocateTables } from "./locate.ts";
import { ordersOf, replicationOf } from "./replication.ts";

const events: Readonly<Record<AnnounceEvent, WireEvent>> = {
  heartbeat: WireEvent.UNSPECIFIED,
  started: WireEvent.STARTED,
  progress: WireEvent.PROGRESS,
  completed: WireEvent.COMPLETED,
  draining: WireEvent.DRAINING,
  stopped: WireEvent.STOPPED,
};

export function remoteTracker({ url, transport }: RemoteOptions): Tracker {
  const client = createClient(TrackerService, transport);
  const tables = new LocateTables();
  return {
    url,
    announce: (announce, signal) =>
      calling(signal, async () => {
        const request = create(AnnounceRequestSchema, requestOf(announce));
        const answer = await client.announce(request, { signal, timeoutMs: SMALL_TIMEOUT_MS });
        return announcedOf(answer, announce.lease);
      }),
    locate: (query, signal) =>
      calling(signal, async () => {
        const { request, read } = tables.asking(query);
        return read(await client.locatePieces(request, { signal, timeoutMs: SMALL_TIMEOUT_MS }));
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
