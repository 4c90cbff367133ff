import { type ContextValues, createContextKey, createContextValues } from "@connectrpc/connect";
import type { Caller } from "./caller.ts";
import type { Reply } from "./http-types.ts";

/** The address of the caller, for a service's implementation. See Caller. */
export const kCallerAddress = createContextKey("", { description: "caller address" });

/**
 * Calls `done` once, when the whole answer has left or its caller is gone: the service then takes back what the answer
 * used. A router in memory has no socket and calls it at once.
 */
export const kOnAnswered = createContextKey<(done: () => void) => void>((done) => done(), {
  description: "on answered",
});

/** What the library hands to a service's implementation with each call. */
export function contextValuesOf(reply: Reply, caller: Caller): ContextValues {
  return createContextValues()
    .set(kOnAnswered, (done) => {
      if (reply.closed) done();
      else reply.once("close", done);
    })
    .set(kCallerAddress, caller.address);
}
