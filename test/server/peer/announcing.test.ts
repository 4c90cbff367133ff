import { describe, expect, it } from "vitest";
import { announcedAddress } from "../../../server/peer/announcing.ts";

const here = "http://127.0.0.1:50050";
const elsewhere = "http://10.1.2.3:50050";

describe("the address that a tracker is told", () => {
  it("is the port, for a tracker that sees where it is", () => {
    const open = { host: "0.0.0.0", port: 50_051, tls: false };
    expect(announcedAddress(open, here)).toEqual({ port: 50_051, tls: false });
    expect(announcedAddress(open, elsewhere)).toEqual({ port: 50_051, tls: false });
  });

  it("is none for a tracker elsewhere when nobody elsewhere could use it", () => {
    for (const host of ["127.0.0.1", "localhost", "::1"]) {
      const closed = { host, port: 50_051, tls: false };
      for (const local of [here, "http://localhost:1", "http://[::1]:1"]) {
        expect(announcedAddress(closed, local).port).toBe(50_051);
      }
      expect(announcedAddress(closed, elsewhere).port).toBe(0);
      expect(announcedAddress(closed, "https://tracker.example").port).toBe(0);
    }
  });

  it("is the public URL wherever there is one", () => {
    const proxied = { host: "127.0.0.1", port: 50_051, tls: false, publicUrl: "https://peer.example" };
    expect(announcedAddress(proxied, elsewhere)).toEqual({
      port: 50_051,
      tls: false,
      publicUrl: "https://peer.example",
    });
  });
});
