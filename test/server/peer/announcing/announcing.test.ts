import type { networkInterfaces } from "node:os";
import { describe, expect, it } from "vitest";
import { announcedAddress } from "../../../../server/peer/announcing/announcing.ts";

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

  it("is that of the bind, where a tracker on this machine would see another one", () => {
    const told = (host: string, tracker: string) =>
      announcedAddress({ host, port: 50_051, tls: false }, tracker);
    for (const [host, tracker] of [
      ["127.0.0.1", here],
      ["::1", "http://[::1]:50050"],
    ] as const) {
      expect(told(host, tracker)).toEqual({ port: 50_051, tls: false });
    }
    for (const tracker of ["http://[::1]:1", "http://localhost:1", "http://127.0.0.2:1"]) {
      expect(told("127.0.0.1", tracker)).toMatchObject({ publicUrl: "http://127.0.0.1:50051" });
    }
    for (const tracker of [here, "http://localhost:1"]) {
      expect(told("::1", tracker)).toMatchObject({ publicUrl: "http://[::1]:50051" });
    }
  });

  describe("bound to one address of this machine", () => {
    const machine = {
      eth0: ["10.1.2.3", "10.9.9.9", "fd00::2"].map((address) => ({ address })),
    } as unknown as ReturnType<typeof networkInterfaces>;
    const told = (host: string, tracker: string, tls = false) =>
      announcedAddress({ host, port: 50_051, tls }, tracker, machine);

    it("is that address, for a tracker on the same machine, which sees another", () => {
      for (const tracker of [here, "http://localhost:1", "http://[::1]:1", "http://10.9.9.9:1"]) {
        expect(told("10.1.2.3", tracker)).toMatchObject({ publicUrl: "http://10.1.2.3:50051" });
      }
      expect(told("fd00::2", "http://[fd00::2]:1", true)).toMatchObject({
        publicUrl: "https://[fd00::2]:50051",
      });
    });

    it("is what a tracker elsewhere sees, which knows the outside of a NAT", () => {
      for (const tracker of ["http://10.4.4.4:1", "https://tracker.example"]) {
        expect(told("10.1.2.3", tracker)).toEqual({ port: 50_051, tls: false });
      }
    });
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
