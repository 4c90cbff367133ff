import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { PiezaError } from "#core/base/errors.ts";
import { MemoryPieceStore } from "#core/ports/store.ts";
import type { PieceIndex } from "#core/torrent/piece.ts";
import { CatalogService } from "#gen/pieza/v1/catalog_pb.ts";
import { PeerService } from "#gen/pieza/v1/peer_pb.ts";
import { startCatalog } from "../../../../server/catalog/catalog.ts";
import { startServing } from "../../../../server/peer/serving/serving.ts";
import { type MadeTorrent, makeTorrent } from "../../../support/swarms/made-torrent.ts";
import { TestAuthority } from "../../../support/wire/certificates.ts";
import { type RawAnswer, RawClient, type RawRequest } from "../../../support/wire/raw-call.ts";
import {
  callOf,
  compressed,
  deadline,
  framed,
  isFramed,
  read,
  type WireFormat,
  wireFormats,
} from "../../../support/wire/wire-formats.ts";

/**
 * Every way to write a call, over every way to connect, for everything that can come of it. A call of GetPiece goes
 * twice: to a server that answers plain ones directly, and to one where the library answers all of them. Over HTTP/2
 * the client leaves out the brackets of an IPv6 address, because Node's does.
 */
const protocols = [
  { wire: "HTTP/1.1", version: 1, tls: false },
  { wire: "HTTP/2", version: 2, tls: false },
  { wire: "HTTP/1.1 over TLS", version: 1, tls: true },
  { wire: "HTTP/2 over TLS", version: 2, tls: true },
] as const;
const wires = ["127.0.0.1", "::1"].flatMap((host) => protocols.map((protocol) => ({ ...protocol, host })));
const { getPiece } = PeerService.method;
const { publishTorrent } = CatalogService.method;
const KiB = 1 << 10;
const TOKEN = "the-token-of-this-test";

/** Pieces of the torrent; 2 is not held. */
const pieces = { fine: 1, missing: 2, rotten: 3, broken: 4, refused: 5, slow: 6, last: 7 } as const;

let torrent: MadeTorrent;
let empty: MadeTorrent;

interface Case {
  /** A change to a fine call of GetPiece. */
  request(format: WireFormat): RawRequest;
  /** The code of the answer, where it is no success. */
  readonly code?: string | Partial<Record<WireFormat, string>>;
  /** The piece that comes. Default: the first. */
  piece?(): Uint8Array;
  /** Formats for which there is no such case. */
  readonly not?: readonly WireFormat[];
}

function ask(format: WireFormat, number: number, infoHash = torrent.torrent.infoHash): Required<RawRequest> {
  return callOf(format, getPiece, { infoHash, number });
}

function fine(format: WireFormat, change: Partial<RawRequest> = {}): RawRequest {
  const call = ask(format, pieces.fine);
  return { ...call, ...change, headers: { ...call.headers, ...change.headers } };
}

const json = (text: string) => Buffer.from(text);

const cases: Record<string, Case> = {
  "a piece": { request: fine },
  "the short last piece": {
    request: (format) => ask(format, pieces.last),
    piece: () => torrent.bytes(6),
  },
  "a piece of 0 bytes": {
    request: (format) => ask(format, 1, empty.torrent.infoHash),
    piece: () => new Uint8Array(0),
  },
  "an info hash in capitals": {
    request: (format) => ask(format, pieces.fine, torrent.torrent.infoHash.toUpperCase()),
  },
  "a piece that is not held": { request: (format) => ask(format, pieces.missing), code: "not_found" },
  "a torrent that is not here": { request: (format) => ask(format, 1, "0".repeat(64)), code: "not_found" },
  "a number past the last": { request: (format) => ask(format, 8), code: "out_of_range" },
  "the number 0": { request: (format) => ask(format, 0), code: "out_of_range" },
  "what is no info hash": { request: (format) => ask(format, 1, "../etc"), code: "invalid_argument" },
  "an empty message": {
    request: (format) =>
      fine(format, {
        body:
          format === "connect-json"
            ? json("{}")
            : isFramed(format)
              ? framed(Buffer.alloc(0))
              : Buffer.alloc(0),
      }),
    code: "invalid_argument",
  },
  "a message that is none": {
    request(format) {
      const bytes = format === "connect-json" ? json("{") : Buffer.from([0x0a, 0xff, 0x01]);
      return fine(format, { body: isFramed(format) ? framed(bytes) : bytes });
    },
    code: {
      "connect-json": "invalid_argument",
      connect: "internal",
      "grpc-web": "internal",
      grpc: "internal",
    },
  },
  "a field that nobody knows": {
    request(format) {
      const { body } = ask(format, pieces.fine);
      const unknown = Buffer.from([0xf8, 0x07, 0x01]);
      if (format === "connect-json")
        return fine(format, { body: json(body.toString().replace("}", ',"x":1}')) });
      if (!isFramed(format)) return fine(format, { body: Buffer.concat([body, unknown]) });
      return fine(format, { body: framed(Buffer.concat([body.subarray(5), unknown])) });
    },
  },
  "a request of 65 KiB": {
    request: (format) => ask(format, 1, "a".repeat(65 * KiB)),
    code: "resource_exhausted",
  },
  "a request of 5 KiB": {
    request: (format) => ask(format, 1, "a".repeat(5 * KiB)),
    code: "invalid_argument",
  },
  "a deadline that is met": { request: (format) => fine(format, { headers: deadline(format, 60_000) }) },
  "a deadline that passes": {
    request(format) {
      const call = ask(format, pieces.slow);
      return { ...call, headers: { ...call.headers, ...deadline(format, 50) } };
    },
    code: "deadline_exceeded",
  },
  "a deadline past an hour": {
    request: (format) => fine(format, { headers: deadline(format, 3_600_001) }),
    code: "invalid_argument",
  },
  "a deadline that is no number": {
    request: (format) =>
      fine(format, { headers: { [isFramed(format) ? "grpc-timeout" : "connect-timeout-ms"]: "soon" } }),
    code: "invalid_argument",
  },
  "an unknown method": {
    request: (format) => fine(format, { path: `/${PeerService.typeName}/GetRich` }),
    code: "HTTP 404",
  },
  "a compressed request": {
    request(format) {
      const { body } = ask(format, pieces.fine);
      const packed = isFramed(format) ? framed(gzipSync(body.subarray(5)), 1) : gzipSync(body);
      return fine(format, { body: packed, headers: compressed(format, "gzip") });
    },
  },
  "a compression that nobody offered": {
    request: (format) => fine(format, { headers: compressed(format, "zstd") }),
    code: "unimplemented",
  },
  "a compressed frame without a word of it": {
    request: (format) => fine(format, { body: framed(ask(format, 1).body.subarray(5), 1) }),
    code: "internal",
    not: ["connect", "connect-json"],
  },
  "two messages where one is asked for": {
    request(format) {
      const { body } = ask(format, pieces.fine);
      return fine(format, { body: Buffer.concat([body, body]) });
    },
    code: "unimplemented",
    not: ["connect", "connect-json"],
  },
  "half a frame": {
    request: (format) => fine(format, { body: ask(format, 1).body.subarray(0, 20) }),
    code: "invalid_argument",
    not: ["connect", "connect-json"],
  },
  "a version of Connect that is to come": {
    request: (format) => fine(format, { headers: { "connect-protocol-version": "2" } }),
    not: ["grpc", "grpc-web"],
  },
  "a rotten copy": { request: (format) => ask(format, pieces.rotten), code: "data_loss" },
  "a defect of ours": { request: (format) => ask(format, pieces.broken), code: "internal" },
  "a server that has no room": {
    request: (format) => ask(format, pieces.refused),
    code: "resource_exhausted",
  },
};

/** Resolved once the case under way has its answers: a read that waits for it outlives any deadline. */
let answered = Promise.withResolvers<void>();

/** Holds all pieces but one, and fails in every way that a store can. */
class MoodyStore extends MemoryPieceStore {
  override async read(index: PieceIndex, into?: Uint8Array): Promise<Uint8Array> {
    const number = index + 1;
    if (this.geometry.count === 1) return super.read(index, into);
    if (number === pieces.rotten) throw new PiezaError("data_loss", "the piece has rotted");
    if (number === pieces.broken) throw new Error("ENOENT /home/somebody");
    if (number === pieces.refused)
      throw new PiezaError("resource_exhausted", "no room now", { retryAfterMs: 1_500 });
    if (number === pieces.slow) await answered.promise;
    return super.read(index, into);
  }
}

function storeOf(made: MadeTorrent): MemoryPieceStore {
  const store = new MoodyStore(made.geometry);
  for (const index of made.geometry.indices()) {
    if (made === torrent && index + 1 === pieces.missing) continue;
    store.write(index, 0, made.bytes(index));
    store.commit(index);
  }
  return store;
}

const ends: (() => unknown)[] = [];
let authority: TestAuthority;
let ca: Buffer;

beforeAll(async () => {
  authority = await TestAuthority.make();
  ends.push(() => authority.remove());
  ca = await readFile(authority.ca);
  torrent = await makeTorrent({ length: 6 * 16 * KiB + 100 });
  empty = await makeTorrent({ length: 0 });
});
afterEach(() => {
  answered.resolve();
  answered = Promise.withResolvers();
});
afterAll(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function startPeer(direct: boolean, tls: boolean, host: string): Promise<string> {
  const certificate = tls ? await authority.issue() : {};
  const { server, torrents } = await startServing({ port: 0, host, direct, ...certificate });
  ends.push(() => server.close({ graceMs: 0 }));
  for (const made of [torrent, empty]) torrents.add(made.torrent, storeOf(made));
  return server.url;
}

let ran = 0;

describe.each(wires)("over $wire at $host", ({ version, tls, host }) => {
  let direct: RawClient;
  let library: RawClient;
  let catalog: RawClient;

  beforeAll(async () => {
    const dial = (url: string) => {
      const client = new RawClient(url, version, { ca });
      ends.push(() => client.close());
      return client;
    };
    direct = dial(await startPeer(true, tls, host));
    library = dial(await startPeer(false, tls, host));
    const directory = await mkdtemp(join(tmpdir(), "pieza-matrix-"));
    ends.push(() => rm(directory, { recursive: true }));
    const certificate = tls ? await authority.issue() : {};
    const running = await startCatalog({
      port: 0,
      host,
      directory,
      trackers: [],
      token: TOKEN,
      ...certificate,
    });
    ends.push(() => running.close({ graceMs: 0 }));
    catalog = dial(running.url);
  });

  // gRPC needs HTTP/2's trailers.
  const formats = wireFormats.filter((format) => format !== "grpc" || version === 2);

  describe.each(formats)("in %s", (format) => {
    const applicable = Object.entries(cases).filter(([, { not }]) => !not?.includes(format));

    it.each(applicable)("%s", async (_what, { request, code, piece }) => {
      ran++;
      const [one, other] = await Promise.all([direct.call(request(format)), library.call(request(format))]);
      expect(comparable(one)).toEqual(comparable(other));
      expect(one.body.equals(other.body), "the same bytes").toBe(true);
      const said = read(format, getPiece, one);
      if ("message" in said) {
        expect(code).toBeUndefined();
        expect(Buffer.compare(said.message.data, piece?.() ?? torrent.bytes(0))).toBe(0);
        expect(one.headers["cache-control"]).toBe("public, max-age=31536000, immutable");
        expect(one.headers.etag).toMatch(/^"[0-9a-f]{64}"$/);
      } else {
        expect(said).toMatchObject({ code: typeof code === "object" ? code[format] : code });
        expect(said.text).not.toMatch(/ENOENT|home/);
        expect(one.headers["cache-control"]).toBe("no-store");
        expect(one.headers.etag).toBeUndefined();
      }
      expect(one.headers["content-encoding"]).toBeUndefined();
    });

    it.each([
      ["no token", undefined, "unauthenticated"],
      ["another token", "another", "permission_denied"],
      ["a torrent that is none", TOKEN, "invalid_argument"],
    ])("publishing with %s", async (_what, token, code) => {
      ran++;
      const call = callOf(format, publishTorrent, { name: "x" });
      const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const answer = await catalog.call({ ...call, headers: { ...call.headers, ...authorization } });
      expect(read(format, publishTorrent, answer)).toMatchObject({ code });
    });
  });
});

it("has run every case there is", () => {
  // At two addresses, 14 pairs of wire and format with 24 cases and three of publishing each; three more for the six
  // pairs with frames, one more for the eight of Connect.
  expect(ran).toBe(2 * (14 * (24 + 3) + 6 * 3 + 8));
});

/** What has to be the same, whoever answers: all but how long it took. */
function comparable({ status, headers, trailers }: RawAnswer) {
  const timing = headers["server-timing"]?.replaceAll(/dur=[\d.]+/g, "dur=?");
  return { status, trailers, headers: { ...headers, "server-timing": timing } };
}
