import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type AnnounceRequestSchema,
  type AnnounceResponse,
  type PieceRange as PieceRangeMessage,
  type PieceRanges as PieceRangesMessage,
  DeclineReason as WireDecline,
  FailureKind as WireFailure,
} from "../../gen/pieza/v1/tracker_pb.ts";
import { isSha256Hex } from "../base/hash.ts";
import { isPeerUrl } from "../base/server-url.ts";
import {
  type Announce,
  type Announced,
  type DeclineReason,
  type FailureKind,
  MAX_RANGES,
  MAX_SOURCES,
  type PieceRange,
  type PieceRanges,
} from "../ports/tracker.ts";
import { MAX_PIECES } from "../torrent/piece.ts";

/** Orders in one answer; more are cut off, and so are ranges and sources over their bounds. */
const MAX_ORDERS = 1_024;
/** An order that no answer names again ends by then, whatever the tracker says. */
const MAX_EXPIRES_MS = 3_600_000;

const declines: Readonly<Record<DeclineReason, WireDecline>> = {
  "unknown-torrent": WireDecline.UNKNOWN_TORRENT,
  "no-space": WireDecline.NO_SPACE,
  "not-wanted": WireDecline.NOT_WANTED,
};

const failures: Readonly<Record<FailureKind, WireFailure>> = {
  unreachable: WireFailure.UNREACHABLE,
  "wrong-piece": WireFailure.WRONG_PIECE,
  "missing-piece": WireFailure.MISSING_PIECE,
};

/** The part of an announce about copies and about other peers. */
export function replicationOf(announce: Announce): MessageInitShape<typeof AnnounceRequestSchema> {
  const { volunteer, declined = [], drops = [], failures: seen = [] } = announce;
  return {
    ...(volunteer && {
      volunteer: {
        capacityBytes: BigInt(volunteer.capacityBytes),
        freeBytes: BigInt(volunteer.freeBytes),
        bytesPerSecond: BigInt(volunteer.bytesPerSecond),
      },
    }),
    declined: declined.map(({ id, reason }) => ({ orderId: id, reason: declines[reason] })),
    drops: drops.map(({ infoHash, totalPieces, ranges }) => ({
      infoHash,
      totalPieces,
      ranges: ranges.map(({ first, last }) => ({ first: first + 1, last: last + 1 })),
    })),
    failures: seen.map(({ url, infoHash, kind }) => ({ url, infoHash, kind: failures[kind] })),
  };
}

/** The part of an answer about orders and grants. Malformed ranges and sources are left out. */
export function ordersOf(answer: AnnounceResponse): Pick<Announced, "orders" | "grants" | "lastCopies"> {
  return {
    orders: answer.orders.slice(0, MAX_ORDERS).flatMap((order) =>
      rangesOf(order).map((pieces) => ({
        ...pieces,
        id: order.orderId,
        sources: order.sources.slice(0, MAX_SOURCES).filter(isPeerUrl),
        expiresMs: Math.min(order.expiresMs, MAX_EXPIRES_MS),
      })),
    ),
    grants: answer.grants.slice(0, MAX_ORDERS).flatMap(rangesOf),
    lastCopies: answer.lastCopies,
  };
}

/** A list of one; empty if the ranges name no pieces of a torrent. */
function rangesOf({
  infoHash,
  totalPieces,
  ranges,
}: Pick<PieceRangesMessage, "infoHash" | "totalPieces" | "ranges">): PieceRanges[] {
  if (!isSha256Hex(infoHash) || totalPieces < 1 || totalPieces > MAX_PIECES) return [];
  const found = toIndices(ranges, totalPieces);
  return found.length > 0 ? [{ infoHash, totalPieces, ranges: found }] : [];
}

/** Converts ranges of piece numbers to ranges of indices. Malformed ranges are left out. */
export function toIndices(ranges: readonly PieceRangeMessage[], totalPieces: number): PieceRange[] {
  return ranges
    .slice(0, MAX_RANGES)
    .filter(({ first, last }) => first >= 1 && first <= last && last <= totalPieces)
    .map(({ first, last }) => ({ first: first - 1, last: last - 1 }));
}
