import { Bitfield } from "#core/base/bitfield.ts";
import { InvalidField } from "#core/base/errors.ts";
import type { Announce, AnnouncedTorrent, AnnounceEvent } from "#core/ports/tracker.ts";
import { parseInfoHash } from "#core/torrent/info-hash.ts";
import { MAX_PIECE_LENGTH } from "#core/torrent/piece.ts";
import {
  type AnnouncedTorrent as AnnouncedTorrentMessage,
  type AnnounceRequest,
  AnnounceEvent as EventMessage,
} from "#gen/pieza/v1/tracker_pb.ts";
import { parseReplication } from "../replication/replication-message.ts";
import { checkCount, checkString, checkTotalPieces, MAX_TARGET } from "../store/checks.ts";

/** Torrents that one announce may join, and may leave. */
const MAX_TORRENTS = 1_024;
const IDENTIFY_KEY_BYTES = 32;

const events: Readonly<Record<EventMessage, AnnounceEvent>> = {
  [EventMessage.UNSPECIFIED]: "heartbeat",
  [EventMessage.STARTED]: "started",
  [EventMessage.PROGRESS]: "progress",
  [EventMessage.COMPLETED]: "completed",
  [EventMessage.DRAINING]: "draining",
  [EventMessage.STOPPED]: "stopped",
};

/** Checks an announce. Throws InvalidField. The Registrar checks what depends on the tracker's leases. */
export function parseAnnounce(request: AnnounceRequest): Announce {
  const event = events[request.event];
  if (!event) throw new InvalidField("event", "is not known to this tracker");
  checkKey(request.identifyKey);
  checkCount("torrents", request.torrents, MAX_TORRENTS);
  checkCount("left", request.left, MAX_TORRENTS);
  const id = checkString("lease_id", request.leaseId);
  const secret = checkString("lease_secret", request.leaseSecret);
  const publicUrl = checkString("public_url", request.publicUrl);
  const { port, tls } = request;
  // A copy, because the decoded key is a view that would keep the whole request in memory.
  const identifyKey = request.identifyKey.slice();
  return {
    event,
    lease: id || secret ? { id, secret } : undefined,
    address: { port, tls, identifyKey, ...(publicUrl && { publicUrl }) },
    torrents: request.torrents.map((torrent, at) => parseTorrent(torrent, `torrents[${at}]`)),
    left: request.left.map((infoHash, at) => parseInfoHash(infoHash, `left[${at}]`)),
    ...parseReplication(request),
  };
}

function parseTorrent(torrent: AnnouncedTorrentMessage, field: string): AnnouncedTorrent {
  const infoHash = parseInfoHash(torrent.infoHash, `${field}.info_hash`);
  const fileName = checkString(`${field}.file_name`, torrent.fileName);
  if (fileName === "") throw new InvalidField(`${field}.file_name`, "must not be empty");
  const totalPieces = checkTotalPieces(torrent.totalPieces, `${field}.total_pieces`);
  if (torrent.revision > Number.MAX_SAFE_INTEGER) throw new InvalidField(`${field}.revision`, "is too large");
  if (torrent.pieceLength > MAX_PIECE_LENGTH)
    throw new InvalidField(`${field}.piece_length`, `must be at most ${MAX_PIECE_LENGTH}`);
  const bitfield = parseBitfield(torrent, totalPieces, `${field}.bitfield`);
  return {
    infoHash,
    fileName,
    totalPieces,
    revision: Number(torrent.revision),
    ...(bitfield && { bitfield }),
    ...(torrent.replicationTarget > 0 && {
      replicationTarget: Math.min(MAX_TARGET, torrent.replicationTarget),
    }),
    ...(torrent.pieceLength > 0 && { pieceLength: torrent.pieceLength }),
  };
}

function parseBitfield(
  torrent: AnnouncedTorrentMessage,
  totalPieces: number,
  field: string,
): Bitfield | undefined {
  if (torrent.complete) return Bitfield.full(totalPieces);
  if (!torrent.bitfield) return undefined;
  try {
    return Bitfield.fromBytes(totalPieces, torrent.bitfield);
  } catch (cause) {
    throw new InvalidField(field, cause instanceof Error ? cause.message : "is malformed", { cause });
  }
}

function checkKey(key: Uint8Array): void {
  if (key.length !== 0 && key.length !== IDENTIFY_KEY_BYTES) {
    throw new InvalidField("identify_key", `must be ${IDENTIFY_KEY_BYTES} bytes`);
  }
}
