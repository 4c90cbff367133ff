import { subscribe } from "node:diagnostics_channel";
import type { ClientRequest } from "node:http";
import type { ClientHttp2Stream } from "node:http2";

/** Interim answers (1xx, RFC 9110, 15.2) to one request. Servers send one or two, and some one every few seconds. */
const MAX_INTERIM = 64;

/**
 * Fails a request of HTTP/2 to which a server sends interim answers without end: each is a sign of life, so no
 * timeout of silence would end it.
 */
export function boundInterimAnswers(stream: ClientHttp2Stream): void {
  let count = 0;
  stream.on("headers", () => {
    if (++count > MAX_INTERIM) stream.destroy(endless());
  });
}

// The same for every request of node:http and node:https in this process: the RPC library gives nobody its requests.
subscribe("http.client.request.start", (message) => {
  const { request } = message as { request: ClientRequest };
  let count = 0;
  request.on("information", () => {
    if (++count > MAX_INTERIM) request.destroy(endless());
  });
});

function endless(): Error {
  return new Error(`more than ${MAX_INTERIM} interim answers (1xx) and no answer`);
}
