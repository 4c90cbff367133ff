import { afterEach, describe, expect, it } from "vitest";
import type { Clock } from "#core/base/clock.ts";
import { PeerFailed, PiezaError, WrongPiece } from "#core/base/errors.ts";
import type { PieceSink, RemotePeer } from "#core/ports/peer.ts";
import type { SwarmKey } from "#core/ports/tracker.ts";
import type { PieceGeometry } from "#core/torrent/piece.ts";
import type { RunningServer } from "../../server/http/listening/server.ts";
import { within } from "../support/deadline.ts";
import { FakeClock } from "../support/fake-clock.ts";
import {
  type Behaviour,
  geometry,
  pieceBytes,
  startRawPeer,
  startTestPeer,
  swarm,
  write,
} from "../support/swarms/test-peer.ts";

export interface PeerCase {
  readonly url: string;
  readonly swarm: SwarmKey;
  readonly geometry: PieceGeometry;
  readonly clock: Clock;
}

/**
 * What every RemotePeer promises, against real servers. `open` makes one that talks to `url`. A contract that has no
 * call for bitfields says `tellsBitfield: false`; one whose transport does not show the bytes as they arrive, and so
 * serves no download, says `tellsBytes: false`.
 */
export function remotePeerContract(
  name: string,
  open: (peer: PeerCase) => RemotePeer,
  { tellsBitfield = true, tellsBytes = true } = {},
): void {
  describe(`RemotePeer: ${name}`, () => {
    const ends: (() => unknown)[] = [];
    const clock = new FakeClock();
    const never = new AbortController().signal;
    const first = geometry.index(0);

    afterEach(async () => {
      for (const end of ends.splice(0).reverse()) await end();
      expect(clock.pending, "timers left behind").toBe(0);
    });

    function dial({ url }: { url: string }): RemotePeer {
      const peer = open({ url, swarm, geometry, clock });
      ends.push(() => peer.close());
      return peer;
    }
    async function peerThat(behaviour: Behaviour): Promise<RemotePeer> {
      return dial(await running(startTestPeer(behaviour)));
    }
    async function running(starting: Promise<RunningServer>): Promise<RunningServer> {
      const server = await starting;
      ends.push(() => server.close({ graceMs: 0 }));
      return server;
    }

    it("names the peer by its URL and says what carries the bytes", async () => {
      const server = await running(startTestPeer());
      const peer = dial(server);
      expect(peer.url).toBe(server.url);
      expect(peer.transport).not.toBe("");
    });

    it("feeds each piece's bytes to the sink, the short last one too", async () => {
      const peer = await peerThat({});
      for (const index of geometry.indices()) {
        const sink = new Collector();
        await peer.getPiece(index, sink, never);
        expect(sink.bytes).toEqual(Buffer.from(pieceBytes(index + 1)));
      }
    });

    const hears = tellsBytes ? it : () => {};
    hears("lets the sink hear of bytes while the answer is under way", async () => {
      const half = geometry.pieceLength / 2;
      const server = startRawPeer(
        (response) => void write(response, new Uint8Array(half)),
        geometry.pieceLength,
      );
      const peer = dial(await running(server));
      const heard = Promise.withResolvers<void>();
      let bytes = 0;
      const hear = (more: number) => {
        bytes += more;
        if (bytes >= half) heard.resolve();
      };
      const sink = { write: (part: Uint8Array) => hear(part.length), coming: hear };
      const stop = new AbortController();
      const call = peer.getPiece(first, sink, stop.signal).catch((error: unknown) => error);
      await within(10_000, "half of the piece is heard of", heard.promise);
      stop.abort(new Error("enough"));
      expect(await call).toEqual(new Error("enough"));
    });

    it("answers many pieces at once", async () => {
      const peer = await peerThat({});
      const sinks = Array.from({ length: 24 }, () => new Collector());
      await Promise.all(sinks.map((sink, n) => peer.getPiece(geometry.index(n % 4), sink, never)));
      for (const [n, sink] of sinks.entries()) expect(sink.bytes[0]).toBe((n % 4) + 1);
    });

    if (tellsBitfield) describeBitfields();
    else {
      it("fails with unimplemented when asked for a bitfield", async () => {
        const call = (await peerThat({})).getBitfield(never);
        await expect(call).rejects.toMatchObject({ name: "PeerFailed", code: "unimplemented" });
      });
    }

    it.each(["not_found", "out_of_range", "data_loss", "unavailable", "unimplemented"] as const)(
      "tells %s as the peer said it",
      async (code) => {
        const peer = await peerThat({
          getPiece() {
            throw new PiezaError(code, "these words");
          },
        });
        await expect(peer.getPiece(first, new Collector(), never)).rejects.toMatchObject({
          name: "PeerFailed",
          code,
          message: "these words",
        });
      },
    );

    it("keeps the peer's hint when to ask again", async () => {
      const peer = await peerThat({
        getPiece() {
          throw new PiezaError("resource_exhausted", "too much in flight", { retryAfterMs: 1_500 });
        },
      });
      const call = peer.getPiece(first, new Collector(), never);
      await expect(call).rejects.toMatchObject({ code: "resource_exhausted", retryAfterMs: 1_500 });
    });

    it("tells a defect of the peer without its inside", async () => {
      const peer = await peerThat({
        getPiece() {
          throw new Error("ENOENT /home/somebody");
        },
      });
      const call = peer.getPiece(first, new Collector(), never);
      await expect(call).rejects.toMatchObject({ code: "internal", message: "internal error" });
    });

    it.each([
      { what: "wrong", bytes: new Uint8Array(1 << 16).fill(99) },
      { what: "short", bytes: new Uint8Array(10) },
      { what: "no", bytes: new Uint8Array(0) },
    ])("leaves $what bytes to the sink", async ({ bytes }) => {
      const peer = await peerThat({ getPiece: () => bytes });
      const sink = new Collector();
      await peer.getPiece(first, sink, never);
      expect(sink.bytes).toEqual(Buffer.from(bytes));
    });

    it("lets an error of the sink through as it is", async () => {
      const peer = await peerThat({});
      const wrong = new WrongPiece("not these bytes");
      const sink: PieceSink = {
        write() {
          throw wrong;
        },
      };
      await expect(peer.getPiece(first, sink, never)).rejects.toBe(wrong);
    });

    it("reads no more than a piece and 1 KiB of an answer that is too long", async () => {
      const peer = await peerThat({ getPiece: () => new Uint8Array(4 << 20) });
      const sink = new Collector();
      // An implementation that streams may have fed the sink up to the bound before it gives up.
      await expect(peer.getPiece(first, sink, never)).rejects.toBeInstanceOf(WrongPiece);
      expect(sink.bytes.length).toBeLessThanOrEqual((1 << 16) + (1 << 10));
    });

    it("takes no longer an answer for the short last piece than for any other of its length", async () => {
      const peer = await peerThat({ getPiece: () => new Uint8Array(1_000 + 1_025) });
      const sink = new Collector();
      await expect(peer.getPiece(geometry.index(3), sink, never)).rejects.toBeInstanceOf(WrongPiece);
      expect(sink.bytes.length).toBe(0);
    });

    it("believes a peer that says that a request of ours was too long", async () => {
      const peer = await peerThat({
        getPiece() {
          const said = "message size 99 is larger than configured readMaxBytes 9";
          throw new PiezaError("resource_exhausted", said);
        },
      });
      const call = peer.getPiece(first, new Collector(), never);
      await expect(call).rejects.toMatchObject({ name: "PeerFailed", code: "resource_exhausted" });
    });

    it("ends an answer without an end, and its connection", async () => {
      let gone = () => {};
      const serverSaw = new Promise<void>((resolve) => {
        gone = resolve;
      });
      const server = await running(
        startRawPeer((response) => {
          const block = new Uint8Array(64 << 10);
          const more = () => {
            while (!response.destroyed && write(response, block));
          };
          response.on("drain", more);
          response.once("close", gone);
          more();
        }),
      );
      const sink = new Collector();
      await expect(dial(server).getPiece(first, sink, never)).rejects.toBeInstanceOf(WrongPiece);
      expect(sink.bytes.length).toBeLessThanOrEqual((1 << 16) + (1 << 10));
      await serverSaw;
    });

    it("fails when the peer dies in the middle of a piece", async () => {
      const server = await running(
        startRawPeer((response, request) => {
          // Gone once these bytes have left.
          write(response, new Uint8Array(1 << 10), () => request.socket.destroy());
        }, 1 << 16),
      );
      const call = dial(server).getPiece(first, new Collector(), never);
      await expect(call).rejects.toBeInstanceOf(PeerFailed);
    });

    it("fails when nobody listens there", async () => {
      const server = await startTestPeer();
      await server.close();
      const call = dial(server).getPiece(first, new Collector(), never);
      await expect(call).rejects.toMatchObject({ name: "PeerFailed", code: "unavailable" });
    });

    it("rejects with the signal's own reason, and the peer sees that nobody waits", async () => {
      const { behaviour, asked, serverSaw } = hanging();
      const peer = await peerThat(behaviour);
      const abort = new AbortController();
      const call = peer.getPiece(first, new Collector(), abort.signal);
      await asked;
      const reason = new Error("we changed our mind");
      abort.abort(reason);
      await expect(call).rejects.toBe(reason);
      await serverSaw;
    });

    it("asks nothing for a signal that is aborted already", async () => {
      let asked = 0;
      const peer = await peerThat({
        getPiece(number) {
          asked++;
          return pieceBytes(number);
        },
      });
      const reason = new Error("too late");
      await expect(peer.getPiece(first, new Collector(), AbortSignal.abort(reason))).rejects.toBe(reason);
      expect(asked).toBe(0);
    });

    it("gives a piece its length at 8 KiB/s and 30 s, then fails", async () => {
      const { behaviour, asked } = hanging();
      const peer = await peerThat(behaviour);
      let failed: unknown;
      const call = peer.getPiece(first, new Collector(), never).catch((error) => {
        failed = error;
      });
      await asked;
      await clock.tick(37_999);
      expect(failed).toBeUndefined();
      await clock.tick(1);
      await call;
      expect(failed).toMatchObject({ name: "PeerFailed", code: "deadline_exceeded" });
    });

    it("ends its calls when it is closed", async () => {
      const { behaviour, asked } = hanging();
      const peer = await peerThat(behaviour);
      const call = peer.getPiece(first, new Collector(), never);
      const failed = expect(call).rejects.toMatchObject({ name: "PeerFailed", code: "unavailable" });
      await asked;
      peer.close();
      await failed;
    });

    function describeBitfields(): void {
      it("reads the bitfield, also of a peer that says only that it is complete", async () => {
        const some = await (await peerThat({})).getBitfield(never);
        expect([...some]).toEqual([0, 2]);
        const seeder = await peerThat({ getBitfield: () => ({ totalPieces: 4, complete: true }) });
        expect((await seeder.getBitfield(never)).complete).toBe(true);
      });

      it.each([
        { why: "another number of pieces", answer: { totalPieces: 5, complete: true } },
        { why: "spare bits", answer: { totalPieces: 4, bitfield: Uint8Array.of(0xff) } },
        { why: "too many bytes", answer: { totalPieces: 4, bitfield: new Uint8Array(1000) } },
      ])("fails for a bitfield with $why", async ({ answer }) => {
        const peer = await peerThat({ getBitfield: () => answer });
        await expect(peer.getBitfield(never)).rejects.toBeInstanceOf(PeerFailed);
      });
    }
  });
}

class Collector implements PieceSink {
  bytes = Buffer.alloc(0);

  write(bytes: Uint8Array): void {
    this.bytes = Buffer.concat([this.bytes, bytes]);
  }
}

/** A peer that is asked for a piece and never answers. */
function hanging() {
  const asked = Promise.withResolvers<void>();
  const serverSaw = Promise.withResolvers<void>();
  const behaviour: Behaviour = {
    getPiece(_number, { signal }) {
      asked.resolve();
      return new Promise((_, reject) => {
        signal.addEventListener("abort", () => {
          serverSaw.resolve();
          reject(signal.reason);
        });
      });
    },
  };
  return { behaviour, asked: asked.promise, serverSaw: serverSaw.promise };
}
