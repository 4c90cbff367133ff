import { createClient } from "@connectrpc/connect";
import { afterEach, describe, expect, it } from "vitest";
import type { Clock } from "#core/base/clock.ts";
import type { PiezaError } from "#core/base/errors.ts";
import { RateLimit } from "#core/base/rate-limit.ts";
import { MemoryPieceStore } from "#core/ports/store.ts";
import { PeerService } from "#gen/pieza/v1/peer_pb.ts";
import { openTransport } from "../../../../server/http/client/transports.ts";
import type { OnGone } from "../../../../server/http/direct/direct.ts";
import { UploadBudget } from "../../../../server/http/guards/upload-budget.ts";
import { startServing } from "../../../../server/peer/serving/serving.ts";
import { Uploads } from "../../../../server/peer/serving/uploads.ts";
import { ServedTorrents } from "../../../../server/peer/stores/served-torrents.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { makeTorrent } from "../../../support/swarms/made-torrent.ts";

const PIECE = 16 << 10;
const PIECES = 64;

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function fullStore() {
  const made = await makeTorrent({ length: PIECES * PIECE });
  const store = new MemoryPieceStore(made.geometry);
  for (let n = 0; n < PIECES; n++) {
    store.write(made.at(n), 0, made.bytes(n));
    store.commit(made.at(n));
  }
  return { made, store };
}

/** Uploads at so many bytes a second on a clock that moves by hand. */
async function limited(bytesPerSecond: number, clock: Clock) {
  const { made, store } = await fullStore();
  const torrents = new ServedTorrents();
  torrents.add(made.torrent, store);
  const limit = new RateLimit(bytesPerSecond, clock);
  const uploads = new Uploads(torrents, new UploadBudget(64 << 20), () => {}, limit, clock);
  const give = async (number: number, onGone?: OnGone) => {
    const offer = uploads.find(made.torrent.infoHash, number, "1.2.3.4");
    const { done } = await uploads.read(offer, "1.2.3.4", onGone);
    done();
  };
  return { give, uploads };
}

describe("an upload limit", () => {
  for (const piecesPerSecond of [0.25, 2, 20, 200]) {
    it(`holds within 5 % at ${piecesPerSecond} pieces a second, with eight who obey the hint`, async () => {
      const clock = new FakeClock();
      const { give } = await limited(piecesPerSecond * PIECE, clock);
      let given = 0;
      let over = false;
      const ask = async (seed: number): Promise<void> => {
        for (let n = 0; !over; n++) {
          const error = await give(1 + ((n * 8 + seed) % PIECES)).catch((failure: unknown) => failure);
          if (!error) given++;
          if (error) expect(error).toMatchObject({ code: "resource_exhausted" });
          const waitMs = (error as PiezaError | undefined)?.retryAfterMs ?? 0;
          // As a download does: about as long as the hint says.
          if (waitMs > 0) await new Promise<void>((done) => clock.after(waitMs * (0.75 + seed / 16), done));
        }
      };
      const callers = [0, 1, 2, 3, 4, 5, 6, 7].map(ask);
      const seconds = Math.max(20, 100 / piecesPerSecond);
      for (let spent = 0; spent < seconds; spent++) await clock.tick(1_000);
      expect(given / seconds / piecesPerSecond).toBeGreaterThan(0.95);
      expect(given / seconds / piecesPerSecond).toBeLessThan(1.05);
      over = true;
      await clock.tick(60_000);
      await Promise.all(callers);
    });
  }

  it("lets an answer wait for a second at most, and tells the others when to come back", async () => {
    const clock = new FakeClock();
    const { give } = await limited(4 * PIECE, clock);
    const outcomes: string[] = [];
    const asked = Array.from({ length: 12 }, (_, n) =>
      give(n + 1).then(
        () => outcomes.push(`given at ${clock.now()}`),
        (error: PiezaError) => outcomes.push(`come back in ${error.retryAfterMs}`),
      ),
    );
    await clock.tick(5_000);
    await Promise.all(asked);
    expect(outcomes.filter((outcome) => outcome.startsWith("come back"))).toEqual(
      Array.from({ length: 7 }, () => "come back in 750"),
    );
    expect(outcomes.slice(7)).toEqual([250, 500, 750, 1_000, 1_000].map((ms) => `given at ${ms}`));
  });

  it("gives the time of a caller that goes while it waits to the next", async () => {
    const clock = new FakeClock();
    const { give } = await limited(2 * PIECE, clock);
    const first = give(1);
    let hangUp = () => {};
    const gone = expect(
      give(2, (fn) => {
        hangUp = fn;
      }),
    ).rejects.toMatchObject({ code: "unavailable" });
    await clock.tick(250);
    hangUp();
    await gone;
    const third = give(3).then(() => clock.now());
    await clock.tick(750);
    await first;
    expect(await third).toBe(1_000);
  });

  it("refuses who waits when the peer leaves", async () => {
    const clock = new FakeClock();
    const { give, uploads } = await limited(PIECE, clock);
    const waiting = expect(give(1)).rejects.toMatchObject({ code: "unavailable" });
    void uploads.drain();
    await clock.tick(1_000);
    await waiting;
  });
});

describe("Server-Timing", () => {
  for (const direct of [true, false]) {
    it(`says of a piece what it waited and what reading took, ${direct ? "without" : "by"} the library`, async () => {
      const { made, store } = await fullStore();
      const serving = await startServing({ port: 0, direct, limitBytesPerSecond: 4 * PIECE });
      ends.push(() => serving.server.close({ graceMs: 0 }));
      serving.torrents.add(made.torrent, store);
      const { transport, close } = openTransport(serving.server.url, "connect");
      ends.push(close);
      const waits: number[] = [];
      // At once, so that the last of them waits however slow this machine is.
      const calls = [1, 2, 3, 4].map((number) => {
        const request = { infoHash: made.torrent.infoHash, number };
        return createClient(PeerService, transport).getPiece(request, {
          onHeader: (headers) => {
            const [, limit] = /^limit;dur=([\d.]+), read;dur=[\d.]+$/.exec(
              headers.get("server-timing") ?? "",
            )!;
            waits.push(Number(limit));
          },
        });
      });
      await Promise.all(calls);
      expect(Math.max(...waits)).toBeGreaterThan(10);
    });
  }

  it("is on raw pieces too, for every page to read", async () => {
    const { made, store } = await fullStore();
    const serving = await startServing({ port: 0 });
    ends.push(() => serving.server.close({ graceMs: 0 }));
    serving.torrents.add(made.torrent, store);
    const url = `${serving.server.url}/pieces/${made.torrent.infoHash}/1`;
    const { headers } = await fetch(url, { headers: { origin: "https://page.example" } });
    expect(headers.get("server-timing")).toMatch(/^limit;dur=0\.0, read;dur=/);
    expect(headers.get("access-control-expose-headers")).toContain("Server-Timing");
  });
});
