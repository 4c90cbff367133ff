import { describe, expect, it } from "vitest";
import { everythingThrough, proxyFor } from "../../../../server/http/client/proxy.ts";

const HTTP_PROXY = "http://proxy.example:3128";
const HTTPS_PROXY = "http://proxy.example:3129";

describe("the proxy that the environment names", () => {
  it.each([
    ["http://tracker.example:50050", {}, undefined],
    ["http://tracker.example:50050", { HTTP_PROXY }, HTTP_PROXY],
    ["http://tracker.example:50050", { HTTPS_PROXY }, undefined],
    ["https://tracker.example", { HTTP_PROXY, HTTPS_PROXY }, HTTPS_PROXY],
    ["http://tracker.example", { HTTP_PROXY, http_proxy: "http://other.example:80" }, "http://other.example"],
    ["http://tracker.example", { http_proxy: "", HTTP_PROXY: "" }, undefined],
    ["http://tracker.example", { HTTP_PROXY: "proxy.example:3128" }, HTTP_PROXY],
    ["http://localhost:8080", { HTTP_PROXY }, undefined],
    ["http://127.0.0.1:8080", { HTTP_PROXY }, undefined],
    ["http://[::1]:8080", { HTTP_PROXY }, undefined],
    ["http://127.example", { HTTP_PROXY }, HTTP_PROXY],
  ])("to %s with %j: %s", (url, env, expected) => {
    expect(proxyFor(url, env)?.origin).toBe(expected);
  });

  it.each([
    ["*", "http://a.example", true],
    ["a.example", "http://a.example:81", true],
    ["A.Example", "http://a.example", true],
    ["example", "http://a.example", true],
    [".example", "http://a.example", true],
    ["*.example", "http://a.example", true],
    ["b.example, a.example", "http://a.example", true],
    ["b.example a.example", "http://a.example", true],
    ["ample", "http://a.example", false],
    ["b.a.example", "http://a.example", false],
    ["a.example:80", "http://a.example", true],
    ["a.example:443", "https://a.example", true],
    ["a.example:81", "http://a.example", false],
    ["10.0.0.0/8", "http://10.1.2.3:50051", true],
    ["10.0.0.0/8", "http://11.1.2.3:50051", false],
    ["10.0.0.0/99", "http://10.1.2.3:50051", false],
    ["10.1.2.3", "http://10.1.2.3:50051", true],
    ["1.2.3", "http://10.1.2.3:50051", false],
    ["2001:db8::/32", "http://[2001:db8::7]:50051", true],
    ["2001:db8::/32", "http://10.1.2.3:50051", false],
    ["", "http://a.example", false],
    [",", "http://a.example", false],
  ])("NO_PROXY=%j at %s: straight there: %s", (exceptions, url, straight) => {
    const proxies = { HTTP_PROXY, HTTPS_PROXY };
    expect(proxyFor(url, { ...proxies, NO_PROXY: exceptions }) === undefined).toBe(straight);
    expect(
      proxyFor(url, { ...proxies, NO_PROXY: "c.example", no_proxy: exceptions || "," }) === undefined,
    ).toBe(straight);
  });

  it.each(["socks5://proxy.example:1080", "http://", "://"])("is not %s", (value) => {
    expect(() => proxyFor("http://a.example", { HTTP_PROXY: value })).toThrow(/HTTP_PROXY.*HTTP proxy/);
  });
});

it.each([
  ["22.18.0", false],
  ["22.21.0", true],
  ["23.11.0", false],
  ["24.4.1", false],
  ["24.5.0", true],
  ["25.0.0", true],
])("Node %s goes through a proxy: %s; one that cannot says so", (version, can) => {
  const through = () => everythingThrough(new URL(HTTP_PROXY), version);
  if (can) expect(through().HTTPS_PROXY).toBe(`${HTTP_PROXY}/`);
  else expect(through).toThrow(`Node ${version} cannot go through a proxy`);
});
