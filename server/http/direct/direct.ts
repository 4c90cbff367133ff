import { createContextKey } from "@connectrpc/connect";
import { PiezaError } from "#core/base/errors.ts";
import type { CallerOf } from "../base/caller.ts";
import type { RequestHead, ShortCall, ShortResponse } from "../base/http-types.ts";
import type { Pace } from "../guards/pace.ts";
import { messageIn, plainCall, sendMessage, type WireFormat } from "./plain-call.ts";
import { type BodyStart, readShortBody } from "./short-body.ts";

/** An answer in the bytes of its binary message. */
export interface DirectAnswer {
  /** The message, in parts that are not copied. */
  readonly parts: readonly Uint8Array[];
  readonly headers: Readonly<Record<string, string>>;
  /** Called once when the answer has left or its caller is gone: the parts may be used again. */
  readonly done?: () => void;
}

/**
 * Answers a unary method from the binary message of its request, in front of the library's handler of the same method,
 * which stays the one that answers whenever this one returns undefined, and every error that this one throws.
 */
export type DirectMethod = (
  message: Uint8Array,
  caller: Caller,
  onGone: OnGone,
) => Promise<DirectAnswer | undefined>;

/** Who calls a direct method. */
export interface Caller {
  /** See CallerOf. To find it out costs the first call of a connection a question to the system. */
  readonly address: string;
}

/** Calls `fn` once nobody waits for the answer any more: it has left, or its caller has. */
export type OnGone = (fn: () => void) => void;

/** Counts a call of this address, at once or where others count too. Throws if it is one too many. */
export type Admit = (address: string) => Promise<undefined> | undefined;

/** What a direct method threw: the library's handler throws it again, so that it comes out as every error does. */
export const kDirectFailure = createContextKey<unknown>(undefined, {
  description: "direct failure",
});

/** The call has its turn under the rate limit already: it counts once, whoever answers. */
export const kAdmitted = createContextKey(false, { description: "admitted" });

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
      /** The rate limit was asked. */
      readonly admitted?: boolean;
    };

export interface DirectOptions {
  readonly maxTimeoutMs: number;
  readonly pace: Pick<Pace, "awaitShort" | "stopReading">;
  readonly callerOf: CallerOf;
  /** Left out: the method has no limit. */
  readonly admit: Admit | undefined;
}

/** Answers if the call is plain and the method can. Fails as the body does. */
export async function answerDirectly(
  method: DirectMethod,
  { head, body, response }: ShortCall,
  { maxTimeoutMs, pace, callerOf, admit }: DirectOptions,
): Promise<DirectOutcome> {
  const call = plainCall(head, maxTimeoutMs);
  if (!call) return { answered: false };
  const { format, timeoutMs } = call;
  let start: BodyStart;
  if (Buffer.isBuffer(body)) start = wholeBody(body);
  else {
    pace.awaitShort();
    start = await readShortBody(body, MAX_REQUEST_BYTES);
    if (start.whole) pace.stopReading();
  }
  const { whole, again } = start;
  const message = whole && messageIn(format, whole);
  if (!message) return { answered: false, body: again() };
  try {
    const caller = new LazyCaller(head, callerOf);
    const counting = admit?.(caller.address);
    if (counting) await counting;
    const onGone = (fn: () => void) => void response.once("close", fn);
    const answering = method(message, caller, onGone);
    const answer = timeoutMs === undefined ? await answering : await inTime(answering, timeoutMs);
    if (!answer) return { answered: false, body: again(), admitted: true };
    if (response.closed || response.destroyed) answer.done?.();
    else send(answer, format, response);
    return { answered: true, bytes: answer.parts.reduce((sum, part) => sum + part.byteLength, 0) };
  } catch (failure) {
    return { answered: false, body: again(), failure, admitted: true };
  }
}

class LazyCaller implements Caller {
  readonly #head: RequestHead;
  readonly #callerOf: CallerOf;
  #address: string | undefined;

  constructor(head: RequestHead, callerOf: CallerOf) {
    this.#head = head;
    this.#callerOf = callerOf;
  }

  get address(): string {
    this.#address ??= this.#callerOf(this.#head);
    return this.#address;
  }
}

function wholeBody(body: Buffer): BodyStart {
  return { whole: body.length > MAX_REQUEST_BYTES ? undefined : body, again: () => undefined };
}

/** Fails when the caller's time is up; an answer that comes later is let go. */
async function inTime(
  answering: Promise<DirectAnswer | undefined>,
  timeoutMs: number,
): Promise<DirectAnswer | undefined> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(new PiezaError("deadline_exceeded", "the operation timed out"));
    answering.then(
      (answer) => answer?.done?.(),
      () => {},
    );
  }, timeoutMs);
  try {
    return await Promise.race([answering, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function send(answer: DirectAnswer, format: WireFormat, response: ShortResponse): void {
  if (answer.done) response.once("close", answer.done);
  for (const name in answer.headers) response.setHeader(name, answer.headers[name]!);
  sendMessage(format, answer.parts, response);
}
