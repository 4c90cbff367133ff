import { PiezaError } from "#core/base/errors.ts";

/** Adds the server's name to an error that says that it is unavailable; returns any other error as it is. */
export function outOfReach(error: unknown, server: string): unknown {
  if (!(error instanceof PiezaError) || error.code !== "unavailable") return error;
  return new PiezaError("unavailable", `cannot reach the ${server}: ${error.message}`, { cause: error });
}
