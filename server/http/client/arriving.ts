import { AsyncLocalStorage } from "node:async_hooks";
import type http from "node:http";
import type { Readable } from "node:stream";
import type { Interceptor } from "@connectrpc/connect";
import { type OnBytes, onBytesKey } from "#core/rpc/coming.ts";

/** Who wants to know of the bytes that arrive for the call being made. */
const caller = new AsyncLocalStorage<OnBytes>();

/** Remembers who wants to know of the bytes, until the call is sent. */
export const rememberCaller: Interceptor = (next) => (request) => {
  const onBytes = request.contextValues.get(onBytesKey);
  return onBytes ? caller.run(onBytes, () => next(request)) : next(request);
};

/** Tells the caller of the bytes that arrive in this answer to the call being made. */
export function tellBytes(answer: Readable): void {
  const onBytes = caller.getStore();
  if (!onBytes) return;
  // A listener for data would begin to read before the library does.
  const push = answer.push.bind(answer);
  answer.push = (chunk: unknown, encoding?: BufferEncoding) => {
    if (chunk instanceof Uint8Array) onBytes(chunk.length);
    return push(chunk, encoding);
  };
}

/** The same for every answer to a request of this agent. */
export function tellBytesOf(agent: http.Agent): void {
  const own = agent as unknown as { addRequest(request: http.ClientRequest, ...rest: unknown[]): void };
  const addRequest = own.addRequest.bind(agent);
  own.addRequest = (request, ...rest) => {
    // The listener runs in the context of the connection, which may be another call's.
    const tell = AsyncLocalStorage.bind(tellBytes);
    if (caller.getStore()) request.prependOnceListener("response", tell);
    addRequest(request, ...rest);
  };
}
