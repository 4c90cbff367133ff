import { PiezaError } from "#core/base/errors.ts";

/** Says who is out of reach. */
export function outOfReach(error: unknown, who: string): unknown {
  if (!(error instanceof PiezaError) || error.code !== "unavailable") return error;
  return new PiezaError("unavailable", `cannot reach the ${who}: ${error.message}`, { cause: error });
}
