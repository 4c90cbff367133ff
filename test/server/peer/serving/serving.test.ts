import { createHmac, randomBytes } from "node:crypto";
import { request as httpRequest } from "node:http";
import { createClient } from "@connectrpc/connect";
import { afterEach, describe, expect, it } from "vitest";
import { PiezaError } from "#core/base/errors.ts";
import { MemoryPieceStore } from "#core/ports/store.ts";
import type { PieceIndex } from "#core/torrent/piece.ts";
import { PeerService } from "#gen/pieza/v1/peer_pb.ts";
import { openTransport } from "../../../../server/http/client/transports.ts";
import { type Serving, type ServingOptions, startServing } from "../../../../server/peer/serving/serving.ts";
import { type MadeTorrent, makeTorrent } from "../../../support/swarms/made-torrent.ts";

const PIECE = 16 << 10;

describe("a peer that serves", () => {
  const ends: (() => unknown)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  async function start(options: Partial<ServingOptions> = {}): Promise<Serving> {
    const serving = await startServing({ port: 0, ...options });
    ends.push(() => serving.server.close({ graceMs: 0 }));
    return serving;
  }

  /** A torrent of three pieces, the last of 100 bytes, of which all but the second are held. */
  async function startWithTwoPieces(options: Partial<ServingOptions> = {}) {
    const serving = await start(options);
    const made = await makeTorrent({ length: 2 * PIECE + 100 });
    const store = new MemoryPieceStore(made.geometry);
    for (const n of [0, 2]) hold(store, made, n);
    serving.torrents.add(made.torrent, store);
    const { infoHash } = made.torrent;
    const raw = (number: number | string) => `${serving.server.url}/pieces/${infoHash}/${number}`;
    return { ...serving, made, store, infoHash, raw };
  }

  function hold(store: MemoryPieceStore, made: MadeTorrent, n: number): void {
    store.write(made.at(n), 0, made.bytes(n));
    store.commit(made.at(n));
  }

  function client(serving: Serving, kind: "grpc" | "grpc-web" | "connect" = "grpc") {
    const { transport, close } = openTransport(serving.server.url, kind);
    ends.push(close);
    return createClient(PeerService, transport);
  }

  describe("by RPC", () => {
    for (const kind of ["grpc", "grpc-web", "connect"] as const) {
      it(`gives a piece, the shorter last one too, over ${kind}`, async () => {
        const peer = await startWithTwoPieces();
        const calls = client(peer, kind);
        const first = await calls.getPiece({ infoHash: peer.infoHash, number: 1 });
        expect(Buffer.compare(first.data, peer.made.bytes(0))).toBe(0);
        const last = await calls.getPiece({ infoHash: peer.infoHash.toUpperCase(), number: 3 });
        expect(Buffer.compare(last.data, peer.made.bytes(2))).toBe(0);
      });
    }

    it("says why not: no such torrent, no such piece, not held, no info hash", async () => {
      const peer = await startWithTwoPieces();
      const calls = client(peer);
      const asking = (infoHash: string, number: number) => calls.getPiece({ infoHash, number });
      await expect(asking("0".repeat(64), 1)).rejects.toThrow("[not_found]");
      await expect(asking(peer.infoHash, 2)).rejects.toThrow("[not_found]");
      await expect(asking(peer.infoHash, 4)).rejects.toThrow("[out_of_range]");
      await expect(asking(peer.infoHash, 0)).rejects.toThrow("[out_of_range]");
      await expect(asking("../../etc/passwd", 1)).rejects.toThrow("[invalid_argument] info_hash");
    });

    it("serves a piece from the moment it is committed and shows it in the bitfield then", async () => {
      const peer = await startWithTwoPieces();
      const calls = client(peer);
      peer.store.write(peer.made.at(1), 0, peer.made.bytes(1));
      await expect(calls.getPiece({ infoHash: peer.infoHash, number: 2 })).rejects.toThrow("[not_found]");
      const before = await calls.getBitfield({ infoHash: peer.infoHash });
      expect(before).toMatchObject({
        totalPieces: 3,
        complete: false,
        bitfield: new Uint8Array([0b1010_0000]),
      });
      peer.store.commit(peer.made.at(1));
      const { data } = await calls.getPiece({ infoHash: peer.infoHash, number: 2 });
      expect(Buffer.compare(data, peer.made.bytes(1))).toBe(0);
      const after = await calls.getBitfield({ infoHash: peer.infoHash });
      expect(after).toMatchObject({ totalPieces: 3, complete: true, bitfield: new Uint8Array(0) });
    });

    it("gives the torrent", async () => {
      const peer = await startWithTwoPieces();
      const { torrent } = await client(peer).getTorrent({ infoHash: peer.infoHash });
      expect(torrent).toMatchObject({ fileName: "file.bin", infoHash: peer.infoHash, totalPieces: 3 });
    });

    it("proves that it knows each tracker's key, for a nonce of a sane length", async () => {
      const identifyKeys = [randomBytes(32), randomBytes(32)];
      const calls = client(await start({ identifyKeys }));
      const nonce = randomBytes(32);
      const { proofs } = await calls.identify({ nonce });
      const expected = identifyKeys.map((key) => createHmac("sha256", key).update(nonce).digest("hex"));
      expect(proofs.map((proof) => Buffer.from(proof).toString("hex"))).toEqual(expected);
      for (const length of [0, 15, 65]) {
        await expect(calls.identify({ nonce: new Uint8Array(length) })).rejects.toThrow(
          "[invalid_argument] nonce",
        );
      }
    });

    it("lets caches keep a piece for ever and a failure never", async () => {
      const peer = await startWithTwoPieces();
      const get = (message: object) => {
        const query = new URLSearchParams({
          connect: "v1",
          encoding: "json",
          message: JSON.stringify(message),
        });
        return fetch(`${peer.server.url}/pieza.v1.PeerService/GetPiece?${query}`);
      };
      const good = await get({ info_hash: peer.infoHash, number: 1 });
      expect(good.headers.get("etag")).toBe(`"${peer.made.torrent.pieces[0]}"`);
      expect(good.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
      expect(good.headers.get("content-encoding")).toBeNull();
      await good.arrayBuffer();
      const bad = await get({ info_hash: peer.infoHash, number: 2 });
      expect(bad.status).toBe(404);
      expect(bad.headers.get("etag")).toBeNull();
      expect(bad.headers.get("cache-control") ?? "").not.toContain("immutable");
      await bad.arrayBuffer();
    });
  });

  describe("by plain HTTP", () => {
    const bytesOf = async (answer: Response) => new Uint8Array(await answer.arrayBuffer());

    it("gives the raw bytes", async () => {
      const peer = await startWithTwoPieces();
      const answer = await fetch(peer.raw(3));
      expect(answer.status).toBe(200);
      expect(Object.fromEntries(answer.headers)).toMatchObject({
        "content-length": "100",
        "content-type": "application/octet-stream",
        "cache-control": "public, max-age=31536000, immutable",
        "accept-ranges": "bytes",
        etag: `"${peer.made.torrent.pieces[2]}"`,
      });
      expect(await bytesOf(answer)).toEqual(peer.made.bytes(2));
      const head = await fetch(peer.raw(3), { method: "HEAD" });
      expect([head.status, head.headers.get("content-length")]).toEqual([200, "100"]);
    });

    it("gives a part of a piece", async () => {
      const peer = await startWithTwoPieces();
      const part = async (range: string, headers: Record<string, string> = {}) => {
        const answer = await fetch(peer.raw(3), { headers: { range, ...headers } });
        return [answer.status, answer.headers.get("content-range"), (await bytesOf(answer)).length];
      };
      expect(await part("bytes=10-19")).toEqual([206, "bytes 10-19/100", 10]);
      expect(await part("bytes=90-")).toEqual([206, "bytes 90-99/100", 10]);
      expect(await part("bytes=-7")).toEqual([206, "bytes 93-99/100", 7]);
      expect(await part("bytes=50-5000")).toEqual([206, "bytes 50-99/100", 50]);
      expect(await part("bytes=100-")).toEqual([416, "bytes */100", 0]);
      expect(await part("bytes=-0")).toEqual([416, "bytes */100", 0]);
      expect(await part("bytes=0-1,5-6")).toEqual([200, null, 100]);
      expect(await part("bytes=9-3")).toEqual([416, "bytes */100", 0]);
      expect(await part("lines=1-2")).toEqual([200, null, 100]);
      expect(await part("bytes=0-9", { "if-range": `"${peer.made.torrent.pieces[2]}"` })).toEqual([
        206,
        "bytes 0-9/100",
        10,
      ]);
      expect(await part("bytes=0-9", { "if-range": '"another"' })).toEqual([200, null, 100]);
      const answer = await fetch(peer.raw(3), { headers: { range: "bytes=10-19" } });
      expect(await bytesOf(answer)).toEqual(peer.made.bytes(2).slice(10, 20));
    });

    it("sends nothing to who has it already", async () => {
      const peer = await startWithTwoPieces();
      const ask = (tag: string) => fetch(peer.raw(1), { headers: { "if-none-match": tag } });
      const etag = `"${peer.made.torrent.pieces[0]}"`;
      for (const tag of [etag, `W/${etag}`, `"x", ${etag}`, "*"]) {
        const answer = await ask(tag);
        expect([answer.status, answer.headers.get("etag"), (await bytesOf(answer)).length]).toEqual([
          304,
          etag,
          0,
        ]);
      }
      expect((await ask('"x"').then(bytesOf)).length).toBe(PIECE);
    });

    it("says why not, in JSON that no cache keeps", async () => {
      const peer = await startWithTwoPieces();
      const ask = async (url: string) => {
        const answer = await fetch(url);
        expect(answer.headers.get("cache-control")).toBe("no-store");
        return [answer.status, ((await answer.json()) as { code: string }).code];
      };
      expect(await ask(peer.raw(2))).toEqual([404, "not_found"]);
      expect(await ask(peer.raw(4))).toEqual([400, "out_of_range"]);
      expect(await ask(`${peer.server.url}/pieces/${"0".repeat(64)}/1`)).toEqual([404, "not_found"]);
      expect(await ask(`${peer.server.url}/pieces/shakira/1`)).toEqual([400, "invalid_argument"]);
      for (const path of ["/pieces/", `/pieces/${peer.infoHash}/1/2`, `/pieces/${peer.infoHash}/..%2f1`]) {
        const answer = await fetch(peer.server.url + path);
        expect(answer.status).toBe(404);
        await answer.arrayBuffer();
      }
    });

    it("counts what it gave, and lists what it has", async () => {
      const peer = await startWithTwoPieces();
      await fetch(peer.raw(1)).then(bytesOf);
      await fetch(peer.raw(3)).then(bytesOf);
      await fetch(peer.raw(2)).then(bytesOf);
      const metrics = await fetch(`${peer.server.url}/metrics`).then((answer) => answer.text());
      const label = `info_hash="${peer.infoHash}"`;
      expect(metrics).toContain(`pieza_piece_bytes_sent_total{${label}} ${PIECE + 100}`);
      expect(metrics).toContain(`pieza_piece_requests_total{${label},outcome="ok"} 2`);
      expect(metrics).toContain(`pieza_piece_requests_total{${label},outcome="not_found"} 1`);
      expect(metrics).toContain(`pieza_pieces_held{${label}} 2`);
      const overview = (await fetch(`${peer.server.url}/`).then((answer) => answer.json())) as {
        torrents: unknown;
      };
      expect(overview.torrents).toEqual([
        { info_hash: peer.infoHash, file_name: "file.bin", total_pieces: 3, pieces_held: 2 },
      ]);
    });
  });

  describe("under load", () => {
    it("refuses at once what is over the budget, with a hint, and serves again when the rest has left", async () => {
      const peer = await start({ maxInFlightBytes: 4 << 20 });
      const made = await makeTorrent({ length: 3 << 20, pieceLength: 1 << 20 });
      const store = new MemoryPieceStore(made.geometry);
      for (const n of [0, 1, 2]) hold(store, made, n);
      let letGo = () => {};
      const gate = new Promise<void>((resolve) => {
        letGo = resolve;
      });
      const slow = {
        geometry: store.geometry,
        held: store.held,
        read: (index: PieceIndex) => gate.then(() => store.read(index)),
      };
      peer.torrents.add(made.torrent, slow);
      const url = (n: number) => `${peer.server.url}/pieces/${made.torrent.infoHash}/${n}`;
      const under = [fetch(url(1)), fetch(url(2))];
      await expect.poll(async () => inFlight(peer)).toBe(2 << 20);
      const refused = await fetch(url(3));
      expect(refused.status).toBe(429);
      expect(refused.headers.get("retry-after")).toBe("1");
      expect(refused.headers.get("retry-after-ms")).toBe("250");
      await refused.arrayBuffer();
      letGo();
      for (const answer of await Promise.all(under))
        expect((await answer.arrayBuffer()).byteLength).toBe(1 << 20);
      await expect.poll(async () => inFlight(peer)).toBe(0);
      expect((await fetch(url(3)).then((answer) => answer.arrayBuffer())).byteLength).toBe(1 << 20);
    });

    it("gets back what an answer took when its reader hangs up", async () => {
      const peer = await start();
      const made = await makeTorrent({ length: 8 << 20, pieceLength: 8 << 20 });
      const store = new MemoryPieceStore(made.geometry);
      hold(store, made, 0);
      peer.torrents.add(made.torrent, store);
      const url = `${peer.server.url}/pieces/${made.torrent.infoHash}/1`;
      const reader = httpRequest(url).end();
      await new Promise((resolve) => reader.once("response", resolve));
      expect(await inFlight(peer)).toBe(8 << 20);
      reader.on("error", () => {});
      reader.destroy();
      await expect.poll(async () => inFlight(peer)).toBe(0);
    });

    it("tells the caller that a copy has rotted", async () => {
      const peer = await startWithTwoPieces();
      const rotten = {
        ...{ geometry: peer.store.geometry, held: peer.store.held },
        read: async () => {
          throw new PiezaError("data_loss", "the copy of piece 1 here has changed");
        },
      };
      peer.torrents.add(peer.made.torrent, rotten);
      await expect(client(peer).getPiece({ infoHash: peer.infoHash, number: 1 })).rejects.toThrow(
        "[data_loss]",
      );
      expect((await fetch(peer.raw(1))).status).toBe(500);
    });

    it("when draining, finishes what is under way and refuses the rest", async () => {
      const peer = await startWithTwoPieces();
      let letGo = () => {};
      const gate = new Promise<void>((resolve) => {
        letGo = resolve;
      });
      const { store } = peer;
      peer.torrents.add(peer.made.torrent, {
        geometry: store.geometry,
        held: store.held,
        read: (index) => gate.then(() => store.read(index)),
      });
      const under = fetch(peer.raw(1));
      await expect.poll(async () => inFlight(peer)).toBe(PIECE);
      let drained = false;
      const draining = peer.uploads.drain().then(() => {
        drained = true;
      });
      const late = await fetch(peer.raw(1));
      expect([late.status, drained]).toEqual([503, false]);
      letGo();
      expect((await under.then((answer) => answer.arrayBuffer())).byteLength).toBe(PIECE);
      await draining;
    });
  });

  async function inFlight(peer: Serving): Promise<number> {
    const metrics = await fetch(`${peer.server.url}/metrics`).then((answer) => answer.text());
    return Number(/^pieza_piece_bytes_in_flight (\d+)$/m.exec(metrics)?.[1]);
  }
});
