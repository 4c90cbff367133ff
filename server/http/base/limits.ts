const KiB = 1 << 10;
const MiB = 1 << 20;

/** The limits of a server, the same for all its services. The limits of one method are in its MethodPolicy. */
export const limits = {
  /** Open connections of one server. The next one takes the place of an idle one, or is closed: see Connections. */
  maxConnections: 2048,
  /** Open streams of one HTTP/2 connection. The next one is refused, and its caller may try again. */
  maxStreams: 64,
  /** Bytes of the headers of one request. */
  maxHeaderBytes: 16 * KiB,
  /** Bytes of one request message, also after decompression, unless the policy of its method names another bound. */
  requestBytes: 64 * KiB,
  /**
   * Bytes of all requests together that are being read or answered: as long as their callers declare them, or as much
   * as has arrived. A call that would go over the share of its address is refused, so that callers who hold their
   * bodies back cannot fill the memory.
   */
  bodyBytes: 128 * MiB,
  /**
   * Bytes of all unread answers together, without pieces, which have their own budget. A call that would go over the
   * share of its address is answered with 503, so that callers that never read cannot fill the memory.
   */
  unreadBytes: 128 * MiB,
  /**
   * Memory of one HTTP/2 connection in millions of bytes; Node refuses new streams above it. It has to be above what
   * one address may have waiting in pieces, so that the upload budget refuses first: that tells the caller when to
   * retry.
   *
   * Measured with 10 (Node's default), 64, 256 and no limit, in pieces of 1 MiB: of 20 connections that request ten
   * pieces each and never read, 48 pieces are read from disk in all four cases, and the server grows by 10 MiB at
   * most. Meanwhile a caller at another address gets 64 of 64 pieces, 16 at a time, and one that reads only after it
   * has requested 16 gets all 16. So the budget stops the attack; this limit is for bytes that the budget does not
   * count.
   */
  sessionMemoryMB: 256,
  /** From a connection's start to its first bytes; a TLS handshake may take as long again. */
  firstBytesMs: 10_000,
  /** From a request's first byte to the end of its headers. */
  headersMs: 10_000,
  /** Silence, both ways, on a connection or a stream. More than the 15 s between a watch's keep-alive messages. */
  idleMs: 60_000,
  /** Time between two requests on a kept-alive HTTP/1.1 connection. */
  keepAliveMs: 30_000,
  /** Time for a body, either way, in addition to what its bytes take at `minBytesPerSecond`. */
  bodyGraceMs: 30_000,
  minBytesPerSecond: 8 * KiB,
  /** The longest deadline that a caller may set. The largest piece takes less: 16 MiB at 8 KiB/s, and 30 s. */
  maxTimeoutMs: 3_600_000,
  /** Streams that one connection may reset at once, and then each second (CVE-2023-44487). */
  resetBurst: 100,
  resetsPerSecond: 20,
  /**
   * HTTP/2 flow-control windows for request bodies. With the default of 64 KiB (RFC 9113, 6.9.2) a message of 16 MiB
   * takes long over a distant link.
   */
  streamWindowBytes: 1 * MiB,
  connectionWindowBytes: 4 * MiB,
  /** Rated calls of one address: at once, and then each second. */
  changesBurst: 100,
  changesPerSecond: 20,
} as const;

export type Limits = { readonly [name in keyof typeof limits]: number };
