import { createContextKey } from "@connectrpc/connect";
import { PiezaError } from "#core/errors.ts";
import { callerAddress } from "./context.ts";
import type { HttpRequest, HttpResponse } from "./http-types.ts";
import { messageIn, plainCall, sendMessage, type WireFormat } from "./plain-call.ts";

/** An answer in the bytes of its binary message. */
export interface DirectAnswer {
  /** The message, in parts that are not copied. */
  readonly parts: readonly Uint8Array[];
  readonly headers: Readonly<Record<string, string>>;
  /** Called once when the answer has left or its caller is gone: the parts may be used again. */
  readonly done: () => void;
}

/**
 * Answers a unary method from the binary message of its request, in front of the library's handler of the same method,
 * which stays the one that answers whenever this one returns undefined, and every error that this one throws.
 */
export type DirectMethod = (
  message: Uint8Array,
  callerAddress: string,
  onGone: OnGone,
) => Promise<DirectAnswer | undefined>;

/** Calls `fn` once nobody waits for the answer any more: it has left, or its caller has. */
export type OnGone = (fn: () => void) => void;

/** What a direct method threw: the library's handler throws it again, so that it comes out as every error does. */
export const kDirectFailure = createContextKey<unknown>(undefined, {
  description: "direct failure",
});

/** Requests of a direct method are a few dozen bytes; a longer one is the library's. */
const MAX_REQUEST_BYTES = 4 << 10;

/** What became of an attempt to answer directly. */
export type DirectOutcome =
  | { readonly answered: true; readonly bytes: number }
  /** The library's turn; with the body as it was, if it was touched at all. */
  | {
      readonly answered: false;
      readonly body?: AsyncIterable<Uint8Array> | undefined;
      readonly failure?: unknown;
    };

/** Answers if the call is plain and the method can. `read` begins to read the body. Fails as the body does. */
export async function answerDirectly(
  method: DirectMethod,
  request: HttpRequest,
  response: HttpResponse,
  options: { readonly maxTimeoutMs: number; readonly read: () => AsyncIterable<Uint8Array> },
): Promise<DirectOutcome> {
  const call = plainCall(request, options.maxTimeoutMs);
  if (!call) return { answered: false };
  const { format, timeoutMs } = call;
  const start = await readStart(options.read());
  const message = start.whole ? messageIn(format, start.whole) : undefined;
  if (!message) return { answered: false, body: start.again };
  try {
    const onGone = (fn: () => void) => void response.once("close", fn);
    const answer = await inTime(method(message, callerAddress(request), onGone), timeoutMs);
    if (!answer) return { answered: false, body: start.again };
    if (response.closed || response.destroyed) answer.done();
    else send(answer, format, response);
    return { answered: true, bytes: answer.parts.reduce((sum, part) => sum + part.byteLength, 0) };
  } catch (failure) {
    return { answered: false, body: start.again, failure };
  }
}

/** Fails when the caller's time is up; an answer that comes later is let go. */
async function inTime(
  answering: Promise<DirectAnswer | undefined>,
  timeoutMs: number | undefined,
): Promise<DirectAnswer | undefined> {
  if (timeoutMs === undefined) return answering;
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(new PiezaError("deadline_exceeded", "the operation timed out"));
    answering.then(
      (answer) => answer?.done(),
      () => {},
    );
  }, timeoutMs);
  try {
    return await Promise.race([answering, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function send(answer: DirectAnswer, format: WireFormat, response: HttpResponse): void {
  response.once("close", answer.done);
  for (const [name, value] of Object.entries(answer.headers)) response.setHeader(name, value);
  sendMessage(format, answer.parts, response);
}

/** Reads a body to its end if it is short, and gives it back as a body from its start in any case. */
async function readStart(body: AsyncIterable<Uint8Array>) {
  const chunks: Uint8Array[] = [];
  const rest = body[Symbol.asyncIterator]();
  let length = 0;
  let ended = false;
  while (!ended && length <= MAX_REQUEST_BYTES) {
    const next = await rest.next();
    ended = next.done ?? false;
    if (next.done) break;
    chunks.push(next.value);
    length += next.value.byteLength;
  }
  async function* again() {
    yield* chunks;
    if (!ended) yield* { [Symbol.asyncIterator]: () => rest };
  }
  return { whole: ended ? Buffer.concat(chunks) : undefined, again: again() };
}
