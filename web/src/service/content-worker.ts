import type { ContentAsk, ContentReply } from "../base/content-messages.ts";

/**
 * The service worker: answers requests for /content/... of this origin from the tab that downloads the torrent, so that
 * players, images and documents read it as from any web server. It leaves every other request to the network.
 *
 * This file has no imports besides types: Firefox runs a service worker only as a classic script.
 */

interface Client {
  readonly id: string;
  postMessage(message: unknown, transfer: readonly Transferable[]): void;
}

interface Scope extends EventTarget {
  readonly location: Location;
  readonly clients: {
    claim(): Promise<void>;
    get(id: string): Promise<Client | undefined>;
    matchAll(options: { type: "window"; includeUncontrolled: boolean }): Promise<readonly Client[]>;
  };
  skipWaiting(): Promise<void>;
}

interface Extendable extends Event {
  waitUntil(work: Promise<unknown>): void;
  /** Chromium: requests that match go to the network without waking this worker. */
  addRoutes?(rule: object): Promise<void>;
}

interface Fetch extends Event {
  readonly request: Request;
  readonly clientId: string;
  respondWith(answer: Promise<Response>): void;
}

/**
 * What content may be on this origin: the answer to a fetch, a page or frame of its own (`sandbox` keeps it from this
 * origin), and media. Never a script, a worker or a style of a page of this origin.
 */
const allowed = new Set(["", "document", "iframe", "embed", "object", "image", "audio", "video", "track"]);
/** Longest wait for a tab to say whether it has the torrent. */
const ASK_MS = 10_000;
const PREFIX = "/content/";

const scope = globalThis as unknown as Scope;

scope.addEventListener("install", (event) => {
  const install = event as Extendable;
  const others = { not: { urlPattern: { pathname: `${PREFIX}*` } } };
  install.waitUntil(
    Promise.all([
      install.addRoutes?.({ condition: others, source: "network" }).catch(() => {}),
      scope.skipWaiting(),
    ]),
  );
});

scope.addEventListener("activate", (event) => (event as Extendable).waitUntil(scope.clients.claim()));

scope.addEventListener("fetch", (event) => {
  const { request, clientId, respondWith } = event as Fetch;
  const { origin, pathname } = new URL(request.url);
  const { method } = request;
  if (origin !== scope.location.origin || !pathname.startsWith(PREFIX)) return;
  if (method !== "GET" && method !== "HEAD") return;
  if (!allowed.has(request.destination)) {
    const refusal = new Response("the content of a torrent is never code here\n", { status: 403 });
    return respondWith.call(event, Promise.resolve(refusal));
  }
  const header = (name: string) => request.headers.get(name) ?? undefined;
  const conditions = {
    range: header("range"),
    ifRange: header("if-range"),
    ifMatch: header("if-match"),
    ifNoneMatch: header("if-none-match"),
  };
  respondWith.call(event, answer({ type: "content", method, path: pathname, conditions }, clientId));
});

// A message is all that keeps this worker alive while an answer is being read.
scope.addEventListener("message", () => {});

async function answer(ask: ContentAsk, clientId: string): Promise<Response> {
  const own = clientId ? await scope.clients.get(clientId) : undefined;
  const all = await scope.clients.matchAll({ type: "window", includeUncontrolled: true });
  for (const client of [...(own ? [own] : []), ...all.filter(({ id }) => id !== own?.id)]) {
    const reply = await askClient(client, ask);
    if (reply) return new Response(reply.body ?? null, { status: reply.status, headers: reply.headers });
  }
  return new Response("no open tab has this file\n", { status: 404 });
}

function askClient(client: Client, ask: ContentAsk): Promise<ContentReply | undefined> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(undefined), ASK_MS);
    port1.onmessage = ({ data }: MessageEvent<ContentReply | undefined>) => {
      clearTimeout(timer);
      resolve(data);
    };
    client.postMessage(ask, [port2]);
  });
}
