import { describe, expect, it } from "vitest";
import type { NetworkClass } from "../../../../server/http/base/networks.ts";
import { AddressPolicy, classOfHost, sourceOf } from "../../../../server/tracker/announce/address.ts";

/** Names of a network that the tests make up. */
const names: Record<string, string[]> = {
  "peer.example": ["8.8.8.8", "2606:4700::1111"],
  "inside.example": ["10.0.0.5"],
  "both.example": ["8.8.8.8", "10.0.0.5"],
  "metadata.google.internal": ["169.254.169.254"],
  "mapped.example": ["::ffff:127.0.0.1"],
};
const policy = (own: NetworkClass, allowNetworks: string[] = []) =>
  new AddressPolicy({ own, allowNetworks, resolveHost: async (name) => names[name] ?? [] });
const observed = (own: NetworkClass, caller: string, port = 7000, tls = false) =>
  policy(own).resolve({ port, tls }, caller);
/** As the registrar asks: the URL as such, then every address behind it. */
const announced = async (own: NetworkClass, publicUrl: string, allowNetworks?: string[]) => {
  const addresses = policy(own, allowNetworks);
  const { url } = addresses.resolve({ port: 1, tls: false, publicUrl }, "203.0.113.9");
  await addresses.literalsOf(url);
  return url;
};

describe("without a public URL a peer is where its announce came from", () => {
  it.each([
    ["loopback", "127.0.0.1", "http://127.0.0.1:7000"],
    ["loopback", "::1", "http://[::1]:7000"],
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
    const { address, refusal } = observed(own, caller);
    expect(refusal).not.toBe("");
    expect(address, "an address to dial").toBe("");
  });

  it.each([
    ["10.1.2.3", "10.1.2.3/32"],
    ["fd00::1", "fd00::1/128"],
  ])("%s, refused, is told the flag that would allow it: %s", (caller, network) => {
    const { refusal } = observed("loopback", caller);
    expect(refusal).toMatch(/^this tracker names loopback addresses, /);
    expect(refusal).toContain(`--allow-network ${network}`);
    expect(policy("loopback", [network]).resolve({ port: 1, tls: false }, caller).refusal).toBe("");
    const publicUrl = `http://${caller.includes(":") ? `[${caller}]` : caller}:1`;
    expect(() => policy("loopback").resolve({ port: 1, tls: false, publicUrl }, caller)).toThrow(
      `--allow-network ${network}`,
    );
  });

  it("speaks https where the peer does, and one address has one form", () => {
    expect(observed("loopback", "::ffff:127.0.0.1", 7000, true)).toMatchObject({
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
    ["loopback", "http://LOCALHOST.:7000", "http://127.0.0.1:7000"],
    ["loopback", "http://127.1:7000/", "http://127.0.0.1:7000"],
    ["loopback", "http://[0:0::1]:7000", "http://[::1]:7000"],
    ["loopback", "http://[::ffff:7f00:1]:7000", "http://127.0.0.1:7000"],
    ["private", "https://10.0.0.5:7000", "https://10.0.0.5:7000"],
    ["public", "https://8.8.8.8", "https://8.8.8.8:443"],
    ["public", "HTTP://8.8.8.8", "http://8.8.8.8:80"],
    ["public", "http://[2606:4700::1111]:7000", "http://[2606:4700::1111]:7000"],
    ["public", "https://peer.example", "https://peer.example:443"],
    ["private", "http://inside.example:7000", "http://inside.example:7000"],
    ["loopback", "http://mapped.example:7000", "http://mapped.example:7000"],
  ] as const)("a %s tracker takes %s as %s", async (own, text, url) => {
    expect(await announced(own, text)).toBe(url);
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
    "inside.example",
    "both.example",
    "metadata.google.internal",
  ])("a public tracker refuses %s", async (host) => {
    await expect(announced("public", `http://${host}:7000`)).rejects.toMatchObject({
      code: "permission_denied",
    });
  });

  it("that is refused does not tell what a name means", async () => {
    const refused = announced("public", "http://inside.example:7000");
    await expect(refused).rejects.toThrow(/^(?!.*10\.0\.0\.5).*inside\.example/);
  });

  it("with a name that means nothing is unavailable, not forbidden", async () => {
    await expect(announced("public", "http://nowhere.example:7000")).rejects.toMatchObject({
      code: "unavailable",
    });
  });

  it.each(["8.8.8.8", "10.0.0.5", "0.0.0.0", "[::127.0.0.1]", "169.254.169.254"])(
    "a loopback tracker refuses %s",
    async (host) => {
      await expect(announced("loopback", `http://${host}:7000`)).rejects.toMatchObject({
        code: "permission_denied",
      });
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
  ])("is not %j", async (text) => {
    await expect(announced("public", text)).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringMatching(/^public_url/),
    });
  });

  it("of another network is taken only where the tracker says so, by address or by name", async () => {
    const allowed = ["10.0.0.0/8"];
    expect(await announced("public", "http://10.0.0.5:7000", allowed)).toBe("http://10.0.0.5:7000");
    expect(await announced("public", "http://both.example:7000", allowed)).toBe("http://both.example:7000");
    await expect(announced("public", "http://192.168.1.1:7000", allowed)).rejects.toThrow();
    expect(() => policy("public", ["10.0.0.0"])).toThrow(/^allow_network/);
  });

  it("of a loopback in IPv6 is allowed as loopback", async () => {
    for (const network of ["::1/128", "127.0.0.0/8"]) {
      expect(await announced("public", "http://[::1]:7000", [network])).toBe("http://[::1]:7000");
    }
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
