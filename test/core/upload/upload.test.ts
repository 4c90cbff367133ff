import { describe, expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import { type ErrorCode, PeerFailed } from "#core/base/errors.ts";
import type { UploadPeer } from "#core/ports/upload-peer.ts";
import { PieceGeometry, type PieceIndex } from "#core/torrent/piece.ts";
import { type UploadProgress, uploadPieces } from "#core/upload/upload.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const PIECES = 12;
const geometry = new PieceGeometry(PIECES * 100 - 50, 100);

interface Behaviour {
  readonly has?: readonly number[];
  /** What it fails with when it is asked to store, after `from` requests and, if it gets over it, up to `to`. */
  readonly fails?: {
    readonly code: ErrorCode;
    readonly from: number;
    readonly to?: number;
    readonly retryAfterMs?: number;
  };
  readonly silent?: boolean;
  /** Answers what it has so late. */
  readonly answersAfterMs?: number;
}

/** A peer that stores in memory, each piece a moment after it came. */
class FakeUploadPeer implements UploadPeer {
  readonly url: string;
  readonly has: Bitfield;
  readonly sent: number[] = [];
  readonly behaviour: Behaviour;
  readonly #clock: FakeClock;

  constructor(url: string, clock: FakeClock, behaviour: Behaviour) {
    this.url = url;
    this.#clock = clock;
    this.behaviour = behaviour;
    this.has = Bitfield.of(PIECES, behaviour.has ?? []);
  }

  async getBitfield(): Promise<Bitfield> {
    if (this.behaviour.silent) throw new PeerFailed("unavailable", "connection refused");
    const { answersAfterMs = 0 } = this.behaviour;
    if (answersAfterMs > 0)
      await new Promise<void>((resolve) => void this.#clock.after(answersAfterMs, resolve));
    return this.has.clone();
  }

  storePiece(index: PieceIndex, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
      this.#clock.after(10, () => {
        const { fails } = this.behaviour;
        this.sent.push(index);
        if (fails && this.sent.length > fails.from && this.sent.length <= (fails.to ?? 1_000)) {
          const { retryAfterMs } = fails;
          return reject(new PeerFailed(fails.code, fails.code, { ...(retryAfterMs && { retryAfterMs }) }));
        }
        expect(bytes).toEqual(new Uint8Array(geometry.lengthOf(index)).fill(index));
        this.has.set(index);
        resolve();
      });
    });
  }

  close(): void {}
}

/** Runs an upload to its end; the clock moves as far as it takes. */
async function upload(...behaviours: Behaviour[]) {
  const clock = new FakeClock();
  const peers = behaviours.map((behaviour, n) => new FakeUploadPeer(`http://peer-${n}`, clock, behaviour));
  const progress: UploadProgress[] = [];
  let outcome: unknown = "running";
  const read = async (index: PieceIndex) => new Uint8Array(geometry.lengthOf(index)).fill(index);
  const onProgress = (now: UploadProgress) => progress.push(now);
  uploadPieces({ geometry, peers, read, clock, onProgress }, new AbortController().signal).then(
    () => {
      outcome = "done";
    },
    (error) => {
      outcome = error;
    },
  );
  for (let step = 0; step < 3_000 && outcome === "running"; step++) await clock.tick(10);
  return { outcome, peers, progress, tookMs: clock.now(), timersLeft: clock.pending };
}

const copies = (peers: FakeUploadPeer[], index: number) => peers.filter(({ has }) => has.has(index)).length;
const all = Array.from({ length: PIECES }, (_, index) => index);

describe("an upload", () => {
  it("gives a single peer every piece once", async () => {
    const { outcome, peers, progress } = await upload({});
    expect(outcome).toBe("done");
    expect(peers[0]!.sent.sort((a, b) => a - b)).toEqual(all);
    expect(progress.at(-1)!.storedPieces).toBe(PIECES);
  });

  it("spreads two copies of each piece over four peers, none of which gets everything", async () => {
    const { outcome, peers, timersLeft } = await upload({}, {}, {}, {});
    expect(outcome).toBe("done");
    for (const index of all) expect(copies(peers, index), `copies of ${index}`).toBe(2);
    for (const peer of peers) expect(peer.sent.length).toBe(PIECES / 2);
    expect(timersLeft).toBe(0);
  });

  it("sends nothing that is there already", async () => {
    const { outcome, peers } = await upload({ has: all }, { has: [0, 1, 2] });
    expect(outcome).toBe("done");
    expect(peers[0]!.sent).toEqual([]);
    expect(peers[1]!.sent.sort((a, b) => a - b)).toEqual(all.slice(3));
  });

  it("sends nothing that is there already, although the one who has it answers last", async () => {
    const { outcome, peers, timersLeft } = await upload({ has: all, answersAfterMs: 500 }, { has: all }, {});
    expect(outcome).toBe("done");
    expect(peers.map(({ sent }) => sent)).toEqual([[], [], []]);
    expect(timersLeft).toBe(0);
  });

  it("does not wait for long for the answer of one", async () => {
    const { outcome, peers, tookMs } = await upload({ answersAfterMs: 60_000 }, {}, {});
    expect(outcome).toBe("done");
    expect(peers[0]!.sent).toEqual([]);
    expect(tookMs).toBeLessThan(10_000);
  });

  it("brings every piece elsewhere when a peer's room is full, and keeps what that peer has", async () => {
    const full = { fails: { code: "resource_exhausted", from: 4 } } as const;
    const { outcome, peers, progress } = await upload(full, {});
    expect(outcome).toBe("done");
    expect(peers[0]!.has.count).toBe(4);
    expect(peers[1]!.has.complete).toBe(true);
    expect(progress.at(-1)!.peers[0]).toMatchObject({ state: "refusing", reason: "resource_exhausted" });
  });

  it("waits as long as a busy peer asks it to, however often", async () => {
    const busy = { code: "resource_exhausted", from: 2, to: 40, retryAfterMs: 300 } as const;
    const { outcome, peers, tookMs } = await upload({ fails: busy });
    expect(outcome).toBe("done");
    expect(tookMs).toBeGreaterThan(12 * 300);
    expect(peers[0]!.has.complete).toBe(true);
  });

  it("does not count what a peer has that does not answer any more", async () => {
    const dying = { has: [0, 1, 2], fails: { code: "unavailable", from: 0 } } as const;
    const { outcome, peers, progress } = await upload(dying, {});
    expect(outcome).toBe("done");
    expect(peers[1]!.has.complete).toBe(true);
    expect(progress.at(-1)!.peers[0]!.state).toBe("gone");
  });

  it("does not wait for a peer that is away once there are copies enough", async () => {
    const { outcome, tookMs } = await upload({ silent: true }, {}, {});
    expect(outcome).toBe("done");
    expect(tookMs).toBeLessThan(500);
  });

  it("says why when nobody takes it", async () => {
    const { outcome, timersLeft } = await upload(
      { fails: { code: "permission_denied", from: 0 } },
      { silent: true },
    );
    expect(outcome).toMatchObject({
      code: "unavailable",
      message: expect.stringMatching(/12 pieces.*peer-0: permission_denied.*peer-1: connection refused/),
    });
    expect(timersLeft).toBe(0);
  });

  it("ends when a peer finds that the bytes are not the torrent's", async () => {
    const { outcome } = await upload({ fails: { code: "invalid_argument", from: 2 } }, {});
    expect(outcome).toMatchObject({ code: "invalid_argument" });
  });
});
