import { type ContextValues, createContextKey, createContextValues } from "@connectrpc/connect";
import type { Caller } from "./caller.ts";
import type { Reply } from "./http-types.ts";

/** The address of the caller. See Caller. */
export const kCallerAddress = createContextKey("", { description: "caller address" });

/**
 * Calls `done` once, when the whole answer has left or its caller is gone, so that the service can free what the
 * answer used. Without a server (a router in memory) it calls `done` at once.
 */
export const kOnAnswered = createContextKey<(done: () => void) => void>((done) => done(), {
  description: "on answered",
});

/** The values that a service's implementation reads from the context of each call. */
export function contextValuesOf(reply: Reply, caller: Caller): ContextValues {
  return createContextValues()
    .set(kOnAnswered, (done) => {
      if (reply.closed) done();
      else reply.once("close", done);
    })
    .set(kCallerAddress, caller.address);
}
