import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { PiezaError } from "#core/base/errors.ts";
import { checkValues } from "#core/rpc/message-bounds.ts";
import type { Caller } from "../base/caller.ts";
import type { Reply } from "../base/http-types.ts";
import type { Call } from "../guards/gates.ts";
import { type LongRest, messageIn, type PlainCall, sendLongMessage, sendMessage } from "./plain-call.ts";
import { type BodyStart, readShortBody } from "./short-body.ts";

/** An answer as the bytes of its binary message. */
export interface DirectAnswer {
  /** The message in parts, which are not copied and must not change until `done` is called. */
  readonly parts: readonly Uint8Array[];
  /** The rest of a long message, sent as fast as the caller reads. */
  readonly rest?: LongRest;
  readonly headers: Readonly<Record<string, string>>;
  /** Called once, when the answer has left or its caller is gone. */
  readonly done?: () => void;
}

/** Calls `fn` once when the answer has left or its caller is gone. */
export type OnGone = (fn: () => void) => void;

/**
 * Answers the plain calls of a unary method instead of the library's handler, with the same answers. See PlainCall.
 */
export interface DirectMethod<Request = unknown> {
  /** Decodes the request. Returns undefined if the library is to answer the call. Has no side effect. */
  read(message: Uint8Array): Request | undefined;
  /** Throws the same errors as the method's implementation. */
  answer(request: Request, caller: Caller, onGone: OnGone): Promise<DirectAnswer>;
}

/** A direct method whose requests are decoded by protobuf. Malformed bytes are left to the library. */
export function directMethod<Input extends DescMessage>(
  { input }: { readonly input: Input },
  answer: DirectMethod<MessageShape<Input>>["answer"],
): DirectMethod<MessageShape<Input>> {
  return { read: (message) => readMessage(input, message), answer };
}

/** Decodes a message. Returns undefined if the bytes are malformed or have more values than they may. */
export function readMessage<Desc extends DescMessage>(
  schema: Desc,
  message: Uint8Array,
): MessageShape<Desc> | undefined {
  try {
    checkValues(schema, message);
    return fromBinary(schema, message);
  } catch {
    return undefined;
  }
}

/** Longest body of a direct call; most have a few dozen bytes. The library answers calls with longer ones. */
const MAX_REQUEST_BYTES = 4 << 10;

/** A plain call with the direct method that answers it and its decoded request. */
export interface DirectCall {
  readonly plain: PlainCall;
  readonly method: DirectMethod;
  readonly request: unknown;
}

/** Decodes the body of a plain call. Returns undefined if the library is to answer the call. */
export function directCall(method: DirectMethod, plain: PlainCall, body: Uint8Array): DirectCall | undefined {
  const message = body.length <= MAX_REQUEST_BYTES ? messageIn(plain.format, body) : undefined;
  const request = message && method.read(message);
  return request === undefined ? undefined : { plain, method, request };
}

/** Reads the body of a plain call, which its pace limits to a short time. Rejects with the body's error. */
export function readDirectBody({ body, pace }: Call): Promise<BodyStart> {
  if (Buffer.isBuffer(body)) return Promise.resolve({ whole: body, again: () => undefined });
  pace?.awaitShort();
  return readShortBody(body, MAX_REQUEST_BYTES);
}

/**
 * Sends the answer, or by `sendError` the method's error, and holds it to the call's pace. Rejects if it fails after
 * something has been sent.
 */
export async function answerDirectly(
  call: Call,
  { plain, method, request }: DirectCall,
  sendError: (call: Call, error: unknown) => void,
): Promise<void> {
  const { reply } = call;
  let bytes = 0;
  try {
    const onGone = (fn: () => void) => void reply.once("close", fn);
    const answering = method.answer(request, call.caller, onGone);
    const { timeoutMs } = plain;
    const answer = timeoutMs === undefined ? await answering : await inTime(answering, timeoutMs);
    for (const part of answer.parts) bytes += part.byteLength;
    if (reply.closed || reply.destroyed) answer.done?.();
    else if (answer.rest) return await sendLong(call, answer, answer.rest, plain);
    else send(answer, plain, reply);
  } catch (error) {
    if (reply.headersSent || reply.closed) throw error;
    sendError(call, error);
  }
  if (!reply.closed) call.pace?.sending(bytes);
}

/** Rejects as the library does after `timeoutMs`, and calls `done` of an answer that comes later. */
async function inTime(answering: Promise<DirectAnswer>, timeoutMs: number): Promise<DirectAnswer> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(new PiezaError("deadline_exceeded", "the operation timed out"));
    answering.then(
      (answer) => answer.done?.(),
      () => {},
    );
  }, timeoutMs);
  try {
    return await Promise.race([answering, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Holds each part of a long answer to the call's pace. */
async function sendLong(
  { reply, pace }: Call,
  answer: DirectAnswer,
  { bytes, chunks }: LongRest,
  { format }: PlainCall,
): Promise<void> {
  if (answer.done) reply.once("close", answer.done);
  for (const name in answer.headers) reply.setHeader(name, answer.headers[name]!);
  const paced = pace ? pace.writing(chunks, () => () => {}) : chunks;
  await sendLongMessage(format, answer.parts, { bytes, chunks: paced }, reply);
}

function send(answer: DirectAnswer, { format }: PlainCall, reply: Reply): void {
  if (answer.done) reply.once("close", answer.done);
  for (const name in answer.headers) reply.setHeader(name, answer.headers[name]!);
  sendMessage(format, answer.parts, reply);
}
