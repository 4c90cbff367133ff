import { PiezaError } from "#core/base/errors.ts";
import type { ContentAsk } from "../base/content-messages.ts";
import type { CallMessage, CallName, Calls, Handlers, WorkerMessage } from "../base/messages.ts";
import { failureOf } from "../base/trouble.ts";
import { browserHasher } from "./browser-hasher.ts";
import { DownloadHost } from "./download-host.ts";
import type { HostPorts } from "./host-ports.ts";
import { PublicationHost } from "./publication-host.ts";
import { remotePorts } from "./remote-ports.ts";
import { storageInfo } from "./storage/storage.ts";

/** The worker thread: transports, hashing, storage and the engine. The page's own thread only draws. */

const post = (message: WorkerMessage): void => postMessage(message);

async function makePorts(): Promise<HostPorts> {
  const [storage, hasher] = await Promise.all([storageInfo(), browserHasher()]);
  return { ...remotePorts(location.origin, hasher), storage, hasher, random: Math.random, post };
}

const ports = makePorts();
const host = ports.then((made) => new DownloadHost(made));
const handlers: Promise<Handlers> = Promise.all([ports, host]).then(([made, { handlers }]) => ({
  ...handlers,
  ...new PublicationHost(made).handlers,
}));

async function answer<K extends CallName>({ id, call, ask }: CallMessage<K>): Promise<void> {
  try {
    const handler = (await handlers)[call] as (ask: Calls[K]["ask"]) => Promise<unknown>;
    post({ type: "answer", id, answer: await handler(ask) });
  } catch (error) {
    const code = error instanceof PiezaError ? error.code : "internal";
    post({ type: "failure", id, code, failure: failureOf(error) });
  }
}

/** Answers a request of the service worker. The stream of the answer's body moves to the service worker. */
async function answerContent(ask: ContentAsk, port: MessagePort): Promise<void> {
  const reply = (await host).content(ask);
  port.postMessage(reply, reply?.body ? [reply.body] : []);
}

addEventListener("message", ({ data, ports: [port] }: MessageEvent<CallMessage | ContentAsk>) => {
  if ("call" in data) void answer(data);
  else if (port) void answerContent(data, port);
});
