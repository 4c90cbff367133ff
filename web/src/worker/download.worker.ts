import { PiezaError } from "#core/base/errors.ts";
import type { CallMessage, CallName, Calls, Handlers, WorkerMessage } from "../base/messages.ts";
import { failureOf } from "../base/trouble.ts";
import { browserHasher } from "./browser-hasher.ts";
import { DownloadHost } from "./download-host.ts";
import { PublicationHost } from "./publication-host.ts";
import { remotePorts } from "./remote-ports.ts";
import { storageInfo } from "./storage/storage.ts";

/** The worker thread: transports, hashing, storage and the engine. The page's own thread only draws. */

const post = (message: WorkerMessage): void => postMessage(message);

async function makeHandlers(): Promise<Handlers> {
  const [storage, hasher] = await Promise.all([storageInfo(), browserHasher()]);
  const remote = remotePorts(location.origin, hasher);
  const ports = { ...remote, storage, hasher, random: Math.random, post };
  return { ...new DownloadHost(ports).handlers, ...new PublicationHost(ports).handlers };
}

const handlers = makeHandlers();

async function answer<K extends CallName>({ id, call, ask }: CallMessage<K>): Promise<void> {
  try {
    const handler = (await handlers)[call] as (ask: Calls[K]["ask"]) => Promise<unknown>;
    post({ type: "answer", id, answer: await handler(ask) });
  } catch (error) {
    const code = error instanceof PiezaError ? error.code : "internal";
    post({ type: "failure", id, code, failure: failureOf(error) });
  }
}

addEventListener("message", (event: MessageEvent<CallMessage>) => void answer(event.data));
