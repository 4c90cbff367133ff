const KiB = 1 << 10;
const MiB = 1 << 20;

/** What a server allows its callers, the same for all services. A method's own limits are in its MethodPolicy. */
export const limits = {
  /** Connections to one server; one more is closed as it comes. */
  maxConnections: 2048,
  /** Calls at once on one HTTP/2 connection; one more is refused and may be tried again. */
  maxStreams: 64,
  /** Bytes of one request's headers. */
  maxHeaderBytes: 16 * KiB,
  /** Bytes of one request message, also after decompression, unless the policy of its method has another bound. */
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
