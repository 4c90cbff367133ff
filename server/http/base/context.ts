import { type ContextValues, createContextKey, createContextValues } from "@connectrpc/connect";
import type { HttpRequest, HttpResponse, RequestHead } from "./http-types.ts";

/** The address that the call came from, as its socket or a trusted proxy says: IPv4 in dotted form even on a dual-stack socket. */
export const kCallerAddress = createContextKey("", { description: "caller address" });

/** The bearer token of the call, or undefined. Compare it with server/http/guards/token.ts only. */
export const kBearerToken = createContextKey<string | undefined>(undefined, { description: "bearer token" });

/**
 * Calls back once, when the whole answer has left or its caller is gone: what the answer took can be given back then.
 * Without a socket (a router in memory) that is at once.
 */
export const kOnAnswered = createContextKey<(done: () => void) => void>((done) => done(), {
  description: "on answered",
});

export function contextValuesOf(
  request: HttpRequest,
  response: HttpResponse,
  callerOf: (request: HttpRequest) => string,
): ContextValues {
  return createContextValues()
    .set(kOnAnswered, (done) => {
      if (response.closed) done();
      else response.once("close", done);
    })
    .set(kCallerAddress, callerOf(request))
    .set(kBearerToken, bearerToken(request.headers.authorization));
}

/** What the socket says. Empty for a socket that is gone already. */
export function callerAddress(request: RequestHead): string {
  const address = request.socket.remoteAddress ?? "";
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}

export function bearerToken(authorization: string | undefined): string | undefined {
  return /^Bearer +([^\s]{1,512})$/i.exec(authorization ?? "")?.[1];
}
