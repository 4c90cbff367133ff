import { describe, expect, it } from "vitest";
import { NO_ADDRESS } from "../../web/src/base/trouble.ts";
import { maxInFlightPerPeer, whyUnreachable } from "../../web/src/worker/transport.ts";

const [secure, plain] = ["https://catalog.example", "http://catalog.example"];
const why = "an https page cannot use a peer without https";

describe("a page may ask a peer", () => {
  it.each([
    [secure, "https://peer.example:50051", undefined],
    [secure, "https://192.0.2.7", undefined],
    [secure, "http://peer.example:50051", why],
    [secure, "http://192.0.2.7:50051", why],
    [secure, "http://[2001:db8::7]:50051", why],
    [secure, "http://10.0.0.1", why],
    [secure, "http://0.0.0.0:50051", why],
    // Browsers trust these to be the person's own machine, however they are written ...
    [secure, "http://localhost:50051", undefined],
    [secure, "http://LOCALHOST:50051", undefined],
    [secure, "http://127.0.0.1:50051", undefined],
    [secure, "http://127.5.0.9:50051", undefined],
    [secure, "http://127.1:50051", undefined],
    [secure, "http://[::1]:50051", undefined],
    [secure, "http://[0:0:0:0:0:0:0:1]:50051", undefined],
    // ... and not these, that only look so.
    [secure, "http://localhost.example:50051", why],
    [secure, "http://127.0.0.1.example:50051", why],
    [secure, "http://notlocalhost:50051", why],
    [secure, "http://[::2]:50051", why],
    [plain, "http://peer.example:50051", undefined],
    [plain, "http://192.0.2.7:50051", undefined],
    [plain, "https://peer.example:50051", undefined],
    ["http://localhost:8080", "http://peer.example:50051", undefined],
    // Who names a server does not choose what is asked of it.
    [secure, "http://localhost@peer.example:50051", NO_ADDRESS],
    [plain, "http://router.example/reboot", NO_ADDRESS],
    [plain, "http://router.example/reboot?now=1#", NO_ADDRESS],
    [plain, "http://router.example?", NO_ADDRESS],
    [plain, "http://router.example#", NO_ADDRESS],
    [plain, "http://who@router.example", NO_ADDRESS],
    [plain, "javascript:alert(1)", NO_ADDRESS],
    [plain, "peer.example", NO_ADDRESS],
  ])("from %s at %s: %s", (origin, url, reason) => {
    expect(whyUnreachable(url, origin)).toBe(reason);
  });
});

describe("requests under way at a peer", () => {
  it("leave one of a browser's six connections free without TLS, and share one with it", () => {
    expect(maxInFlightPerPeer("http://127.0.0.1:50051")).toBe(5);
    expect(maxInFlightPerPeer("https://127.0.0.1:50051")).toBe(16);
  });
});
