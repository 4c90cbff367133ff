import { describe, expect, it } from "vitest";
import { PeerFailed } from "#core/base/errors.ts";
import { cappedFetch, type Fetch } from "#core/rpc/capped-fetch.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const URL_ = "http://peer.test/";

/** Answers with these chunks, then with silence or an end; keeps what it was asked and whether it was let go. */
function stubFetch(chunks: Uint8Array[], ends = true, type = "application/grpc-web+proto") {
  const seen = { init: undefined as RequestInit | undefined, pulled: 0, cancelled: undefined as unknown };
  const fetch: Fetch = async (_input, init) => {
    seen.init = init;
    const queue = [...chunks];
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          const next = queue.shift();
          if (next) {
            seen.pulled++;
            controller.enqueue(next);
            return;
          }
          if (ends) return controller.close();
          return new Promise((_, reject) => {
            init?.signal?.addEventListener("abort", () => reject(init.signal?.reason));
          });
        },
        cancel(reason) {
          seen.cancelled = reason;
        },
      },
      { highWaterMark: 0 },
    );
    return new Response(body, { status: 206, headers: { etag: "x", "content-type": type } });
  };
  return { fetch, seen };
}

describe("a capped fetch", () => {
  it("lets an answer of exactly the limit through, with its status and headers", async () => {
    const clock = new FakeClock();
    const { fetch, seen } = stubFetch([new Uint8Array(600), new Uint8Array(424)]);
    const response = await cappedFetch(fetch, { limitBytes: 1_024, clock })(URL_, { method: "POST" });
    expect([response.status, response.headers.get("etag")]).toEqual([206, "x"]);
    expect((await response.arrayBuffer()).byteLength).toBe(1_024);
    expect(seen.init).toMatchObject({
      method: "POST",
      redirect: "error",
      credentials: "omit",
      referrerPolicy: "no-referrer",
    });
    expect(clock.pending).toBe(0);
  });

  it("ends an answer with one byte more, and reads no further", async () => {
    const clock = new FakeClock();
    const chunks = Array.from({ length: 1_000 }, () => new Uint8Array(100));
    const { fetch, seen } = stubFetch(chunks);
    const response = await cappedFetch(fetch, { limitBytes: 1_024, clock })(URL_);
    await expect(response.arrayBuffer()).rejects.toMatchObject({
      name: "AnswerTooLong",
      message: "answered with more bytes than it may",
    });
    expect(seen.pulled).toBe(11);
    expect(seen.cancelled).toBeInstanceOf(PeerFailed);
    expect(clock.pending).toBe(0);
  });

  describe("of frames", () => {
    const framed = (...lengths: number[]) =>
      Buffer.concat(
        lengths.map((length) => {
          const bytes = Buffer.alloc(5 + length);
          bytes.writeUInt32BE(length, 1);
          return bytes;
        }),
      );
    const read = async (chunks: Uint8Array[], limitBytes: number) => {
      const { fetch, seen } = stubFetch(chunks);
      const init = { headers: { "content-type": "application/grpc-web+proto" } };
      const answer = cappedFetch(fetch, { limitBytes, clock: new FakeClock() })(URL_, init);
      return { seen, bytes: await (await answer).bytes().catch((error: unknown) => error) };
    };

    it("ends as soon as one says that it is longer than the limit, before its bytes come", async () => {
      const huge = Buffer.from([0, 0xff, 0xff, 0xff, 0xff]);
      for (const chunks of [[huge], [...huge].map((byte) => Uint8Array.of(byte))]) {
        const { seen, bytes } = await read([...chunks, new Uint8Array(500)], 1_024);
        expect(bytes).toMatchObject({ name: "AnswerTooLong" });
        expect(seen.pulled).toBe(chunks.length);
      }
    });

    it("fails as what it is when it is a web page", async () => {
      const { fetch, seen } = stubFetch([Buffer.from("<h1>hello</h1>")], true, "text/html");
      const init = { headers: { "content-type": "application/grpc-web+proto" } };
      const call = cappedFetch(fetch, { limitBytes: 1_024, clock: new FakeClock() })(URL_, init);
      await expect(call).rejects.toMatchObject({ name: "PeerFailed", code: "unavailable" });
      expect(seen.pulled).toBe(0);
    });

    it("counts all of them, however they are cut", async () => {
      const answer = framed(600, 0, 409);
      expect(answer.length).toBe(1_024);
      for (const size of [1, 3, 5, 100, 605, 606, 1_024]) {
        const chunks = Array.from({ length: Math.ceil(answer.length / size) }, (_, n) =>
          answer.subarray(n * size, (n + 1) * size),
        );
        expect((await read(chunks, 1_024)).bytes, `cut by ${size}`).toEqual(new Uint8Array(answer));
        const { bytes, seen } = await read(chunks, 1_023);
        expect(bytes, `cut by ${size}`).toMatchObject({ name: "AnswerTooLong" });
        expect(seen.pulled * size, "ended at the third head").toBeLessThan(615 + size);
      }
    });
  });

  it("ends an answer of which nothing came for 10 s", async () => {
    const clock = new FakeClock();
    const { fetch } = stubFetch([new Uint8Array(10)], false);
    const response = await cappedFetch(fetch, { limitBytes: 1_024, clock })(URL_);
    let failed: unknown;
    const read = response.arrayBuffer().catch((error) => {
      failed = error;
    });
    await clock.tick(9_999);
    expect(failed).toBeUndefined();
    await clock.tick(1);
    await read;
    expect(failed).toMatchObject({ name: "PeerFailed", code: "deadline_exceeded" });
  });

  it("waits 10 s anew after every byte", async () => {
    const clock = new FakeClock();
    let send = (_bytes: Uint8Array | undefined) => {};
    const fetch: Fetch = async () => {
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          send = (bytes) => (bytes ? controller.enqueue(bytes) : controller.close());
        },
      });
      return new Response(body);
    };
    const response = await cappedFetch(fetch, { limitBytes: 1_024, clock })(URL_);
    const read = response.arrayBuffer();
    for (let n = 0; n < 5; n++) {
      await clock.tick(9_000);
      send(new Uint8Array(10));
    }
    await clock.tick(9_000);
    send(undefined);
    expect((await read).byteLength).toBe(50);
  });

  it("ends a call that is not answered at all", async () => {
    const clock = new FakeClock();
    const fetch: Fetch = (_input, init) =>
      new Promise((_, reject) => init?.signal?.addEventListener("abort", () => reject(init.signal?.reason)));
    const call = cappedFetch(fetch, { limitBytes: 1_024, clock })(URL_);
    const failed = expect(call).rejects.toMatchObject({ code: "deadline_exceeded" });
    await clock.tick(10_000);
    await failed;
  });

  it("passes the caller's own abort on with its reason", async () => {
    const clock = new FakeClock();
    const { fetch } = stubFetch([], false);
    const abort = new AbortController();
    const response = await cappedFetch(fetch, { limitBytes: 1_024, clock })(URL_, { signal: abort.signal });
    const reason = new Error("enough");
    const failed = expect(response.arrayBuffer()).rejects.toBe(reason);
    abort.abort(reason);
    await failed;
    expect(clock.pending).toBe(0);
  });
});
