import type { Readable } from "node:stream";
import type { ContextValues } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerRequest } from "@connectrpc/connect/protocol";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import { authorityOf } from "../base/authority.ts";
import { contextValuesOf } from "../base/context.ts";
import type { NodeExchange } from "../base/http-types.ts";
import { BodyRoom } from "../guards/body-room.ts";
import { type Call, RequestRefused, statedBytes } from "../guards/gates.ts";
import type { UploadBudget } from "../guards/upload-budget.ts";
import { kDecoded } from "./library.ts";
import { messageForm, type ReadMessage, readMessage } from "./read-message.ts";

/** The headers in which callers of each protocol name the compressions that they accept. */
const ACCEPTED = ["accept-encoding", "connect-accept-encoding", "grpc-accept-encoding"];

/** The memory of one server for requests and for answers that nobody reads, and what long requests cost. */
export interface Budgets {
  readonly bodies: UploadBudget;
  readonly unread: UploadBudget;
  /** Charges the rate of an address for a request of so many bytes. */
  readonly chargeRate: (address: string, bytes: number) => void;
}

/** The one message of a call, read before the library sees the call; and the room that it takes in memory. */
export interface ReadRequest {
  readonly read: ReadMessage | undefined;
  /** The body from its first byte, if `read` is undefined and some of it has been read. */
  readonly begun: AsyncIterable<Uint8Array> | undefined;
}

/**
 * Reads the message of a call that has passed the gates: see readMessage. `begun` is the whole body from its first
 * byte, if some of it has been read already. The messages of a stream are left to the library. Fails with PiezaError
 * if the request is refused, and with any other error if the caller is gone.
 */
export async function readRequest(
  call: Call,
  begun: AsyncIterable<Uint8Array> | undefined,
  { bodies, chargeRate }: Budgets,
): Promise<ReadRequest> {
  const { head, route, reply } = call;
  const { policy, method } = route;
  const { address } = call.caller;
  const form = messageForm(call);
  if (reply.closed) throw new Error("the caller has gone");
  const room = new BodyRoom(bodies, address);
  reply.once("close", () => room.release());
  // The library keeps at most one message of a stream.
  if (!policy.oneMessage) room.holds(policy.requestBytes);
  if (!form) return { read: undefined, begun };
  room.holds(Math.min(policy.requestBytes, statedBytes(head.headers["content-length"]) ?? 0));
  const body = call.pace!.reading(begun ?? (call.body as Readable));
  let read: ReadMessage;
  try {
    read = await readMessage(form, body, room);
  } finally {
    // Also for a message that is refused, which has cost as much.
    if (policy.rated && !policy.authority) chargeRate(address, room.neededBytes);
  }
  // A watch lasts for hours, and its request is not needed any more.
  if (method?.methodKind !== "unary") room.release();
  return { read, begun: undefined };
}

/**
 * Answers a call with the library's handler. Unlike the library's own adapter this logs nothing when a caller hangs
 * up, and it holds the answer to the pace. Rejects if the caller has too many unread bytes or is gone, or its
 * connection broke.
 */
export async function answerByLibrary(
  handler: UniversalHandler,
  call: Call,
  { read, begun }: ReadRequest,
  unread: UploadBudget,
): Promise<void> {
  const { route, caller } = call;
  const pace = call.pace!;
  const { request, response } = call.frontEnd.toNode();
  const values = contextValuesOf(call.reply, caller);
  const asked = libraryRequest({ request, response }, values);
  if (!route.policy.compressed) for (const name of ACCEPTED) asked.header.set(name, "identity");
  if (begun) asked.body = pace.reading(begun);
  if (read) {
    asked.body = once(read.body);
    asked.header.delete(read.encoding);
    if (asked.header.has("content-length")) asked.header.set("content-length", String(read.body.length));
    if (read.message) values.set(kDecoded, read.message);
  }
  const answer = await handler(asked);
  void pace.dropRest();
  // A failure must not be cached, even if the service had set cache-control before it failed.
  if (answer.status !== 200 || !answer.header?.has("cache-control")) {
    answer.header = new Headers(answer.header);
    answer.header.set("cache-control", "no-store");
  }
  const take = (bytes: number) => unread.take(caller.address, bytes);
  if (answer.body) answer.body = pace.writing(answer.body, take);
  await universalResponseToNodeResponse(answer, response);
}

/** Throws RequestRefused if the library can make no request of it. */
function libraryRequest({ request, response }: NodeExchange, values: ContextValues): UniversalServerRequest {
  // The library makes a URL of these, and every call has passed the gate that checks them.
  const authority = authorityOf(request.headers) ?? "localhost";
  request.headers[request.httpVersionMajor < 2 ? "host" : ":authority"] = authority;
  try {
    return universalRequestFromNodeRequest(request, response, undefined, values);
  } catch {
    throw new RequestRefused(400, "the head of the request is malformed");
  }
}

async function* once(body: Uint8Array): AsyncIterable<Uint8Array> {
  yield body;
}
