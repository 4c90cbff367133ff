import type { DescMethod } from "@bufbuild/protobuf";

const KiB = 1 << 10;
const MiB = 1 << 20;

/** What a server allows its callers. One constant for all services, so that the page with the limits is this file. */
export const limits = {
  /** Connections to one server; one more is closed as it comes. */
  maxConnections: 2048,
  /** Calls at once on one HTTP/2 connection; one more is refused and may be tried again. */
  maxStreams: 64,
  /** Bytes of one request's headers. */
  maxHeaderBytes: 16 * KiB,
  /** Bytes of one request message, also after decompression, where requestBytes below says nothing else. */
  requestBytes: 64 * KiB,
  /**
   * Bytes of answers that wait to be read, of all callers together, but for pieces, which have a budget of their own.
   * An address that has its share gets 503, so that callers who never read do not fill the memory.
   */
  unreadBytes: 128 * MiB,
  /**
   * Millions of bytes of one HTTP/2 connection in memory; over that its next calls are refused. Above what one address
   * can have waiting in pieces, so that the upload budget decides and says when to ask again.
   *
   * Measured with 10 (Node's own), 64, 256 and no bound, in pieces of 1 MiB: 20 connections that ask for ten pieces each
   * and never read get 48 pieces read in all four, and the server grows by 10 MiB at most; meanwhile a neighbour at
   * another address gets 64 of 64, 16 at a time, and a caller that reads none of 16 until all are asked for gets 16 of
   * 16. So the budget bounds the attack and not this; it is the second line, for bytes that the budget does not count.
   */
  sessionMemoryMB: 256,
  /** Until a connection has sent its first bytes. */
  firstBytesMs: 10_000,
  /** Until a request's headers are complete. */
  headersMs: 10_000,
  /** A connection or stream without a byte either way. Above the 15 s at which watches send a keep-alive message. */
  idleMs: 60_000,
  /** A kept-alive HTTP/1.1 connection between two requests. */
  keepAliveMs: 30_000,
  /** A body, either way, may take so long ... */
  bodyGraceMs: 30_000,
  /** ... and as long as its bytes need at this rate. */
  minBytesPerSecond: 8 * KiB,
  /** The longest deadline a caller may name. Above that of the largest piece, 16 MiB at 8 KiB/s and 30 s. */
  maxTimeoutMs: 3_600_000,
  /** Streams that one connection may reset at once, and how many more a second (CVE-2023-44487). */
  resetBurst: 100,
  resetsPerSecond: 20,
  /** What an HTTP/2 caller may send ahead, for one call and for the whole connection. The 64 KiB of the standard make
   * a 16 MiB message slow over any distance. */
  streamWindowBytes: 1 * MiB,
  connectionWindowBytes: 4 * MiB,
  /** Calls that change something, of one address. */
  changesBurst: 100,
  changesPerSecond: 20,
} as const;

export type Limits = { readonly [name in keyof typeof limits]: number };

/** Messages that are larger than limits.requestBytes by nature. */
const requestBytes: Readonly<Record<string, number>> = {
  "pieza.v1.TrackerService.Announce": 4 * MiB,
  "pieza.v1.CatalogService.PublishTorrent": 16 * MiB,
  "pieza.v1.PeerService.StorePiece": 16 * MiB + KiB,
  "tracker.TrackerService.RegisterPeer": 8 * MiB,
  "tracker.TrackerService.DeregisterPeer": 8 * MiB,
};

/** Calls whose answers change from one to the next, but which change nothing that anybody cares about. */
const alsoReads: ReadonlySet<string> = new Set([
  "pieza.v1.TrackerService.LocatePieces",
  "tracker.TrackerService.GetFilePieces",
  "tracker.PeerService.HasPiece",
  "tracker.PeerService.DownloadPiece",
  "grpc.health.v1.Health.Check",
  "grpc.health.v1.Health.Watch",
  "grpc.reflection.v1.ServerReflection.ServerReflectionInfo",
]);

/** Pieces are large and mostly compressed already: to compress them again costs more than half of the speed. */
const uncompressed: ReadonlySet<string> = new Set(["pieza.v1.PeerService", "tracker.PeerService"]);

/** Largest request message of a method, in bytes. */
export function requestBytesOf(method: DescMethod, otherwise: number = limits.requestBytes): number {
  return requestBytes[methodName(method)] ?? otherwise;
}

/** Whether a call may change something: not for every page's eyes, and counted by the rate limit. */
export function changes(method: DescMethod): boolean {
  return method.idempotency !== NO_SIDE_EFFECTS && !alsoReads.has(methodName(method));
}

/** Calls a second are bounded where a call is cheap to make and costs memory or disk; stored pieces are bounded by bytes. */
export function rateLimited(method: DescMethod): boolean {
  return changes(method) && method.name !== "StorePiece";
}

export function neverCompressed(method: DescMethod): boolean {
  return uncompressed.has(method.parent.typeName);
}

function methodName(method: DescMethod): string {
  return `${method.parent.typeName}.${method.name}`;
}

/** MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS of google/protobuf/descriptor.proto. */
const NO_SIDE_EFFECTS = 1;
