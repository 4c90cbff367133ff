import { Code, type Interceptor } from "@connectrpc/connect";
import { PiezaError } from "#core/base/errors.ts";
import { toConnectError } from "../base/connect-error.ts";
import type { Log } from "../base/log.ts";

/**
 * The one place where what a service throws becomes what a caller reads. Errors that nobody meant are logged, once,
 * with their stack; what the caller did wrong is the caller's to know.
 */
export function reportErrors(log: Log): Interceptor {
  return (next) => async (request) => {
    const convert = (error: unknown) => {
      const converted = toConnectError(error);
      const meant = error instanceof PiezaError || error === converted;
      if (converted.code === Code.Internal && !meant && !request.signal.aborted) {
        log({
          level: "error",
          event: "call_failed",
          message: `${request.service.typeName}.${request.method.name} failed: ${describe(error)}`,
          stack: error instanceof Error ? error.stack : undefined,
        });
      }
      return converted;
    };
    try {
      const response = await next(request);
      return response.stream ? { ...response, message: converting(response.message, convert) } : response;
    } catch (error) {
      throw convert(error);
    }
  };
}

async function* converting<T>(messages: AsyncIterable<T>, convert: (error: unknown) => unknown) {
  try {
    yield* messages;
  } catch (error) {
    throw convert(error);
  }
}

function describe(error: unknown): string {
  return String(error).slice(0, 500);
}
