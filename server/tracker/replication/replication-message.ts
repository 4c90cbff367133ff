import type { MessageInitShape } from "@bufbuild/protobuf";
import { InvalidField } from "#core/base/errors.ts";
import type {
  Announce,
  Announced,
  DeclinedOrder,
  DeclineReason,
  FailureKind,
  FailureReport,
  PieceRange,
  PieceRanges,
  VolunteerOffer,
} from "#core/ports/tracker.ts";
import { parseInfoHash } from "#core/torrent/info-hash.ts";
import {
  type AnnounceRequest,
  type AnnounceResponseSchema,
  type PieceRange as PieceRangeMessage,
  type PieceRanges as PieceRangesMessage,
  type Volunteer as VolunteerMessage,
  DeclineReason as WireDecline,
  FailureKind as WireFailure,
} from "#gen/pieza/v1/tracker_pb.ts";
import { checkCount, checkString, checkTotalPieces } from "../store/checks.ts";

const MAX_ZONE_BYTES = 64;
const MAX_DECLINED = 1_024;
const MAX_DROPS = 1_024;
const MAX_RANGES = 4_096;
const MAX_FAILURES = 64;

const declines: Readonly<Partial<Record<WireDecline, DeclineReason>>> = {
  [WireDecline.UNKNOWN_TORRENT]: "unknown-torrent",
  [WireDecline.NO_SPACE]: "no-space",
  [WireDecline.NOT_WANTED]: "not-wanted",
};

const failureKinds: Readonly<Partial<Record<WireFailure, FailureKind>>> = {
  [WireFailure.UNREACHABLE]: "unreachable",
  [WireFailure.WRONG_PIECE]: "wrong-piece",
  [WireFailure.MISSING_PIECE]: "missing-piece",
};

/** Checks what an announce says of copies and of other peers. Throws InvalidField. */
export function parseReplication(
  request: AnnounceRequest,
): Pick<Announce, "zone" | "volunteer" | "declined" | "drops" | "failures"> {
  const { zone, volunteer } = request;
  if (Buffer.byteLength(checkString("zone", zone)) > MAX_ZONE_BYTES)
    throw new InvalidField("zone", `must be at most ${MAX_ZONE_BYTES} bytes`);
  checkCount("declined", request.declined, MAX_DECLINED);
  checkCount("drops", request.drops, MAX_DROPS);
  checkCount("failures", request.failures, MAX_FAILURES);
  return {
    ...(zone && { zone }),
    ...(volunteer && { volunteer: parseVolunteer(volunteer) }),
    declined: request.declined.map(
      ({ orderId, reason }, at): DeclinedOrder => ({
        id: checkString(`declined[${at}].order_id`, orderId),
        reason: declines[reason] ?? "not-wanted",
      }),
    ),
    drops: request.drops.map((pieces, at) => parsePieces(pieces, `drops[${at}]`)),
    // A report of an unknown kind is skipped, not refused, so that newer peers can announce here.
    failures: request.failures.flatMap(({ url, infoHash, kind }, at): FailureReport[] => {
      const known = failureKinds[kind];
      const field = `failures[${at}]`;
      const seen = {
        url: checkString(`${field}.url`, url),
        infoHash: parseInfoHash(infoHash, `${field}.info_hash`),
      };
      return known ? [{ ...seen, kind: known }] : [];
    }),
  };
}

/** The answer to an announce. It leaves out the lease's secret if it is `secret`, which the caller knows. */
export function announceAnswer(
  announced: Announced,
  secret: string,
): MessageInitShape<typeof AnnounceResponseSchema> {
  const { lease, orders = [], grants = [], lastCopies = 0, resend, ...answer } = announced;
  return {
    ...answer,
    leaseId: lease.id,
    leaseSecret: lease.secret === secret ? "" : lease.secret,
    resend: [...resend],
    orders: orders.map(({ id, sources, expiresMs, ...pieces }) => ({
      ...piecesMessage(pieces),
      orderId: id,
      sources: [...sources],
      expiresMs,
    })),
    grants: grants.map(piecesMessage),
    lastCopies,
  };
}

/** Ranges of indices from 0 as ranges of numbers from 1, for the wire. */
export function rangesMessage(ranges: readonly PieceRange[]): { first: number; last: number }[] {
  return ranges.map(({ first, last }) => ({ first: first + 1, last: last + 1 }));
}

function piecesMessage({ infoHash, totalPieces, ranges }: PieceRanges) {
  return { infoHash, totalPieces, ranges: rangesMessage(ranges) };
}

function parseVolunteer({ capacityBytes, freeBytes, bytesPerSecond }: VolunteerMessage): VolunteerOffer {
  const capacity = parseBytes("volunteer.capacity_bytes", capacityBytes);
  return {
    capacityBytes: capacity,
    freeBytes: Math.min(capacity, parseBytes("volunteer.free_bytes", freeBytes)),
    bytesPerSecond: parseBytes("volunteer.bytes_per_second", bytesPerSecond),
  };
}

function parseBytes(field: string, bytes: bigint): number {
  if (bytes > Number.MAX_SAFE_INTEGER) throw new InvalidField(field, "is too large");
  return Number(bytes);
}

function parsePieces(pieces: PieceRangesMessage, field: string): PieceRanges {
  const totalPieces = checkTotalPieces(pieces.totalPieces, `${field}.total_pieces`);
  return {
    infoHash: parseInfoHash(pieces.infoHash, `${field}.info_hash`),
    totalPieces,
    ranges: parseRanges(pieces.ranges, totalPieces, `${field}.ranges`),
  };
}

function parseRanges(ranges: readonly PieceRangeMessage[], totalPieces: number, field: string): PieceRange[] {
  checkCount(field, ranges, MAX_RANGES);
  let next = 1;
  return ranges.map(({ first, last }, at) => {
    if (first < next || last < first || last > totalPieces)
      throw new InvalidField(`${field}[${at}]`, `must be ascending, apart and within 1 to ${totalPieces}`);
    next = last + 1;
    return { first: first - 1, last: last - 1 };
  });
}
