import { createClient } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { PeerService } from "#gen/pieza/v1/peer_pb.ts";
import { browserClock } from "../../web/src/worker/browser-clock.ts";
import { peerTransport } from "../../web/src/worker/peer-transport.ts";

const OK = "grpc-status: 0\r\n";
/** GetPieceResponse with three bytes. */
const message = [0x0a, 3, 7, 8, 9];

function frame(flags: number, bytes: readonly number[]): number[] {
  return [flags, 0, 0, 0, bytes.length, ...bytes];
}

const trailers = (text: string) => frame(0x80, [...new TextEncoder().encode(text)]);

/** A client of a peer that answers every call with these bytes. */
function peerThatAnswers(bytes: readonly number[], headers: HeadersInit = {}, status = 200) {
  const asked: RequestInit[] = [];
  const transport = peerTransport({
    url: "http://peer.test",
    clock: browserClock,
    limitBytes: 64 << 10,
    async fetch(_, init) {
      asked.push(init!);
      const type = { "content-type": "application/grpc-web+proto", ...headers };
      return new Response(Uint8Array.from(bytes), { status, headers: type });
    },
  });
  const { getPiece } = createClient(PeerService, transport);
  return { asked, piece: getPiece({ infoHash: "ab".repeat(32), number: 5 }, { timeoutMs: 1_000 }) };
}

describe("a piece's answer", () => {
  it("is asked for as the library asks", async () => {
    const { asked, piece } = peerThatAnswers([...frame(0, message), ...trailers(OK)]);
    expect([...(await piece).data]).toEqual([7, 8, 9]);
    const headers = new Headers(asked[0]!.headers);
    expect(headers.get("content-type")).toBe("application/grpc-web+proto");
    expect(headers.get("grpc-timeout")).toBe("1000m");
    const body = asked[0]!.body as Uint8Array;
    expect([...body.subarray(0, 7)]).toEqual([0, 0, 0, 0, 68, 0x0a, 64]);
    expect([...body.subarray(-2)]).toEqual([0x10, 5]);
  });

  it.each([
    { what: "a field that it does not know", bytes: [...frame(0, [...message, 0x10, 1]), ...trailers(OK)] },
    { what: "other trailers", bytes: [...frame(0, message), ...trailers(`x: y\r\n${OK}`)] },
  ])("with $what is read by the library, and not asked for twice", async ({ bytes }) => {
    const { asked, piece } = peerThatAnswers(bytes);
    expect([...(await piece).data]).toEqual([7, 8, 9]);
    expect(asked).toHaveLength(1);
  });

  it.each([
    { what: "an error", bytes: trailers("grpc-status: 5\r\ngrpc-message: not here\r\n"), says: /not here/ },
    {
      what: "an error beside a piece",
      bytes: [...frame(0, message), ...trailers("grpc-status: 15\r\n")],
      says: "",
    },
    { what: "no trailers", bytes: frame(0, message), says: "" },
    { what: "two pieces", bytes: [...frame(0, message), ...frame(0, message), ...trailers(OK)], says: "" },
    { what: "a compressed piece", bytes: [...frame(1, message), ...trailers(OK)], says: "" },
    { what: "half a message", bytes: [...frame(0, message.slice(0, 3)), ...trailers(OK)], says: "" },
    { what: "bytes after its end", bytes: [...frame(0, message), ...trailers(OK), 1], says: "" },
    { what: "nothing", bytes: [], says: "" },
  ])("that is $what fails, and is not asked for twice", async ({ bytes, says }) => {
    const { asked, piece } = peerThatAnswers(bytes);
    await expect(piece).rejects.toThrow(says);
    expect(asked).toHaveLength(1);
  });

  it("of an HTTP error fails as that", async () => {
    const { asked, piece } = peerThatAnswers([...frame(0, message), ...trailers(OK)], {}, 503);
    await expect(piece).rejects.toThrow(/503/);
    expect(asked).toHaveLength(1);
  });
});
