import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import { contextValuesOf } from "../base/context.ts";
import type { Call } from "../guards/gates.ts";
import type { UploadBudget } from "../guards/upload-budget.ts";

/** The headers in which callers of each protocol name the compressions that they accept. */
const ACCEPTED = ["accept-encoding", "connect-accept-encoding", "grpc-accept-encoding"];

/**
 * Answers a call that has passed the gates with the library's handler. `begun` is the whole body from its first byte,
 * if some of it has been read already. Unlike the library's own adapter this logs nothing when a caller hangs up, and
 * it holds both bodies to the pace. Rejects if the caller has too many unread bytes or is gone, or its connection
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
  const asked = universalRequestFromNodeRequest(request, response, undefined, values);
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

function isBytes(body: unknown): body is AsyncIterable<Uint8Array> {
  return typeof body === "object" && body !== null && Symbol.asyncIterator in body;
}
