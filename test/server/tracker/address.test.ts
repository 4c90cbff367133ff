import { describe, expect, it } from "vitest";
import { AddressPolicy, classOfHost, type NetworkClass, sourceOf } from "../../../server/tracker/address.ts";

const observed = (own: NetworkClass, caller: string, port = 7000, tls = false) =>
  new AddressPolicy({ own }).resolve({ port, tls }, caller);
const announced = (own: NetworkClass, publicUrl: string, more: object = {}) =>
  new AddressPolicy({ own, ...more }).resolve({ port: 1, tls: false, publicUrl }, "203.0.113.9").url;

describe("without a public URL a peer is where its announce came from", () => {
  it.each([
    ["loopback", "127.0.0.1", "http://127.0.0.1:7000"],
    ["loopback", "::1", "http://127.0.0.1:7000"],
    ["loopback", "::ffff:127.0.0.1", "http://127.0.0.1:7000"],
    ["private", "10.1.2.3", "http://10.1.2.3:7000"],
    ["private", "::ffff:192.168.0.9", "http://192.168.0.9:7000"],
    ["private", "fd00::1", "http://[fd00::1]:7000"],
    ["private", "100.64.0.1", "http://100.64.0.1:7000"],
    ["public", "8.8.8.8", "http://8.8.8.8:7000"],
    ["public", "2606:4700::1111", "http://[2606:4700::1111]:7000"],
  ] as const)("%s tracker, from %s: %s", (own, caller, url) => {
    expect(observed(own, caller)).toMatchObject({ url, refusal: "" });
  });

  it.each([
    ["loopback", "10.1.2.3"],
    ["loopback", "8.8.8.8"],
    ["private", "127.0.0.1"],
    ["private", "8.8.8.8"],
    ["public", "127.0.0.1"],
    ["public", "10.1.2.3"],
    ["public", "169.254.169.254"],
    ["public", "64:ff9b::7f00:1"],
    ["public", ""],
  ] as const)("a %s tracker lists nobody at %s, and says why", (own, caller) => {
    expect(observed(own, caller).refusal).not.toBe("");
  });

  it("speaks https where the peer does, and one address has one form", () => {
    expect(observed("loopback", "::1", 7000, true)).toMatchObject({
      url: "https://127.0.0.1:7000",
      address: "127.0.0.1:7000",
    });
  });

  it("port 0 is no address, 65536 is none either", () => {
    expect(observed("loopback", "127.0.0.1", 0)).toMatchObject({ url: "", address: "" });
    expect(() => observed("loopback", "127.0.0.1", 65_536)).toThrow(/^port/);
  });
});

describe("a public URL", () => {
  it.each([
    ["loopback", "http://localhost:7000", "http://127.0.0.1:7000"],
    ["loopback", "http://127.1:7000/", "http://127.0.0.1:7000"],
    ["loopback", "http://[::1]:7000", "http://127.0.0.1:7000"],
    ["loopback", "http://[::ffff:7f00:1]:7000", "http://127.0.0.1:7000"],
    ["private", "https://10.0.0.5:7000", "https://10.0.0.5:7000"],
    ["public", "https://8.8.8.8", "https://8.8.8.8:443"],
    ["public", "HTTP://8.8.8.8", "http://8.8.8.8:80"],
    ["public", "http://[2606:4700::1111]:7000", "http://[2606:4700::1111]:7000"],
  ] as const)("a %s tracker takes %s as %s", (own, text, url) => {
    expect(announced(own, text)).toBe(url);
  });

  it.each([
    "127.0.0.1",
    "127.1",
    "0x7f.1",
    "0177.0.0.1",
    "2130706433",
    "0",
    "[::]",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[2001::1]",
    "[fe80::1]",
    "[fd00::1]",
    "[ff02::1]",
    "169.254.169.254",
    "１２７.0.0.1",
    "10.0.0.5",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "localhost",
    "localhost.",
    "peer.example",
    "metadata.google.internal",
  ])("a public tracker refuses %s", (host) => {
    expect(() => announced("public", `http://${host}:7000`)).toThrow(
      expect.objectContaining({ code: "permission_denied" }),
    );
  });

  it.each(["8.8.8.8", "10.0.0.5", "0.0.0.0", "[::127.0.0.1]", "169.254.169.254"])(
    "a loopback tracker refuses %s",
    (host) => {
      expect(() => announced("loopback", `http://${host}:7000`)).toThrow(
        expect.objectContaining({ code: "permission_denied" }),
      );
    },
  );

  it.each([
    "8.8.8.8:7000",
    "ftp://8.8.8.8",
    "javascript:alert(1)",
    "http://",
    "http://8.8.8.8:0",
    "http://8.8.8.8:65536",
    "http://8.8.8.8/path",
    "http://8.8.8.8/?query",
    "http://8.8.8.8/?",
    "http://8.8.8.8/#",
    "http://good@127.0.0.1",
    "http://user:pass@8.8.8.8",
    "http://8.8.8.8\\@127.0.0.1",
    "http://8.8.8.8\n:7000",
    " http://8.8.8.8",
    "http://8.8.8.8:7000:1",
    "http://[fe80::1%25eth0]:7000",
  ])("is not %j", (text) => {
    expect(() => announced("public", text)).toThrow(/^public_url/);
  });

  it("of another network or with a name is taken only where the tracker says so", () => {
    expect(announced("public", "http://10.0.0.5:7000", { allowNetworks: ["10.0.0.0/8"] })).toBe(
      "http://10.0.0.5:7000",
    );
    expect(announced("public", "https://peer.example", { allowNames: true })).toBe(
      "https://peer.example:443",
    );
    expect(() => new AddressPolicy({ own: "public", allowNetworks: ["10.0.0.0"] })).toThrow(/^allow_network/);
  });
});

describe("the tracker's own class", () => {
  const lan = { eth0: [{ address: "192.168.1.2" }], lo: [{ address: "127.0.0.1" }] };
  it.each([
    ["127.0.0.1", {}, "loopback"],
    ["localhost", {}, "loopback"],
    ["::1", {}, "loopback"],
    ["192.168.1.2", {}, "private"],
    ["8.8.8.8", {}, "public"],
    ["0.0.0.0", lan, "private"],
    ["::", { ...lan, eth1: [{ address: "8.8.8.8" }] }, "public"],
    ["0.0.0.0", { lo: [{ address: "127.0.0.1" }] }, "loopback"],
  ])("bound to %s with %j it is %s", (host, interfaces, expected) => {
    expect(classOfHost(host, interfaces as never)).toBe(expected);
  });
});

it("one customer is one source: an IPv4 address or an IPv6 /64", () => {
  expect(sourceOf("::ffff:8.8.8.8")).toBe(sourceOf("8.8.8.8"));
  expect(sourceOf("2606:4700:1:2::1")).toBe(sourceOf("2606:4700:1:2:ffff::9"));
  expect(sourceOf("2606:4700:1:3::1")).not.toBe(sourceOf("2606:4700:1:2::1"));
  expect(sourceOf("::1")).toBe(sourceOf("127.0.0.1"));
});
