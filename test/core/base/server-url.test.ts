import { expect, it } from "vitest";
import { isPeerUrl, isServerUrl } from "#core/base/server-url.ts";

it.each([
  "http://127.0.0.1:1",
  "https://peer.example",
  "http://peer.example:65535/",
  "HTTP://[::1]:50051",
  "http://bücher.example:8080",
])("%s names a peer, and so a server", (url) => {
  expect(isPeerUrl(url)).toBe(true);
  expect(isServerUrl(url)).toBe(true);
});

it.each(["https://tracker.example/pieza", "http://10.0.0.1:80/a/b/"])(
  "%s names a server, and no peer",
  (url) => {
    expect(isPeerUrl(url)).toBe(false);
    expect(isServerUrl(url)).toBe(true);
  },
);

it.each([
  ...[
    "",
    "http://",
    "http:///a",
    "http://:80",
    "//a",
    "a:80",
    "here",
    "file:///a",
    "udp://a:1",
    "javascript:1",
  ],
  ...["http://a:0", "http://a:65536", "http://a:99999", "http://a:b", "http://[::1", "http://1.2.3.256"],
  ...[
    "http://a?",
    "http://a/?b",
    "http://a#",
    "http://a/#b",
    "http://me@a",
    "http://me:secret@a",
    "http://a\\b",
  ],
  ...["http://a b", " http://a", "http://a\n", "http://a\u0000", "http://a/\u001b[2J", "http://\u001b[2Ja"],
  ...["http://a\u202eb", "http://a/\u2066b", "http://a\u200bb", "http://a/\u0085", "http://a/\ud800"],
  `http://${"a".repeat(1_024)}`,
])("%j names nothing that can be called", (url) => {
  expect(isPeerUrl(url)).toBe(false);
  expect(isServerUrl(url)).toBe(false);
});

it.each([undefined, null, 7, {}, ["http://a"]])("%j is no URL", (value) => {
  expect(isServerUrl(value)).toBe(false);
});
