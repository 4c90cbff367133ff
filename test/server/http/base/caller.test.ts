import { expect, it } from "vitest";
import { createCallerOf } from "../../../../server/http/base/caller.ts";
import type { HttpRequest } from "../../../../server/http/base/http-types.ts";

const caller = (proxies: string[], remoteAddress: string, forwardedFor?: string) =>
  createCallerOf(proxies)({
    socket: { remoteAddress },
    headers: { ...(forwardedFor !== undefined && { "x-forwarded-for": forwardedFor }) },
  } as unknown as HttpRequest);

it.each([
  ["nobody is trusted", [], "10.0.0.1", "8.8.8.8", "10.0.0.1"],
  ["the caller is no proxy", ["10.0.0.0/8"], "192.168.0.1", "8.8.8.8", "192.168.0.1"],
  ["a proxy says who it is", ["10.0.0.0/8"], "10.0.0.1", "8.8.8.8", "8.8.8.8"],
  ["on a dual-stack socket", ["10.0.0.0/8"], "::ffff:10.0.0.1", "8.8.8.8", "8.8.8.8"],
  ["a proxy on loopback, in IPv6", ["127.0.0.0/8"], "::1", "2606:4700::1111", "2606:4700::1111"],
  ["what the caller itself says is not believed", ["10.0.0.0/8"], "10.0.0.1", "1.2.3.4, 8.8.8.8", "8.8.8.8"],
  ["two proxies in a row", ["10.0.0.0/8"], "10.0.0.1", "1.2.3.4, 8.8.8.8, 10.0.0.2", "8.8.8.8"],
  ["with a port", ["10.0.0.0/8"], "10.0.0.1", "8.8.8.8:1234", "8.8.8.8"],
  ["with a port, in IPv6", ["10.0.0.0/8"], "10.0.0.1", "[2606:4700::1111]:1234", "2606:4700::1111"],
  ["a proxy that says nothing", ["10.0.0.0/8"], "10.0.0.1", undefined, "10.0.0.1"],
  ["a proxy that says no address", ["10.0.0.0/8"], "10.0.0.1", "unknown", "10.0.0.1"],
  ["a proxy that says a name", ["10.0.0.0/8"], "10.0.0.1", "localhost", "10.0.0.1"],
  ["nobody but proxies", ["10.0.0.0/8"], "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"],
])("%s: trusting %j, from %s, forwarded for %s, it is %s", (_, proxies, address, forwardedFor, expected) => {
  expect(caller(proxies, address, forwardedFor)).toBe(expected);
});

it("what is no network is refused", () => {
  expect(() => createCallerOf(["10.0.0.1"])).toThrow(/^trusted_proxy/);
});
