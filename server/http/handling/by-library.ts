import type { ContextValues } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerRequest } from "@connectrpc/connect/protocol";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import { authorityOf } from "../base/authority.ts";
import { contextValuesOf } from "../base/context.ts";
import type { NodeExchange } from "../base/http-types.ts";
import { type Call, RequestRefused } from "../guards/gates.ts";
import type { UploadBudget } from "../guards/upload-budget.ts";

/** The headers in which callers of each protocol name the compressions that they accept. */
const ACCEPTED = ["accept-encoding", "connect-accept-encoding", "grpc-accept-encoding"];

/**
 * Answers a call that has passed the gates with the library's handler. `begun` is the whole body from its first byte,
 * if some of it has been read already. Unlike the library's own adapter this logs nothing when a caller hangs up, and
 * it holds both bodies to the pace. Rejects with RequestRefused if the request is malformed, and if the caller has too many unread bytes or is gone, or its connection
 * broke.
 */
export async function answerByLibrary(
  handler: UniversalHandler,
  call: Call,
  begun: AsyncIterable<Uint8Array> | undefined,
  unread: UploadBudget,
): Promise<void> {
  const { route, caller } = call;
  const pace = call.pace!;
  const { request, response } = call.frontEnd.toNode();
  const values = contextValuesOf(call.reply, caller);
  const asked = readRequest({ request, response }, values);
  if (!route.policy.compressed) for (const name of ACCEPTED) asked.header.set(name, "identity");
  if (begun) asked.body = pace.reading(begun);
  else if (route.policy.oneMessage && isBytes(asked.body)) asked.body = pace.reading(asked.body);
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
function readRequest({ request, response }: NodeExchange, values: ContextValues): UniversalServerRequest {
  // The library makes a URL of these, and every call has passed the gate that checks them.
  const authority = authorityOf(request.headers) ?? "localhost";
  request.headers[request.httpVersionMajor < 2 ? "host" : ":authority"] = authority;
  try {
    return universalRequestFromNodeRequest(request, response, undefined, values);
  } catch {
    throw new RequestRefused(400, "the head of the request is malformed");
  }
}

function isBytes(body: unknown): body is AsyncIterable<Uint8Array> {
  return typeof body === "object" && body !== null && Symbol.asyncIterator in body;
}
