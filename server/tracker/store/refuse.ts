import { PiezaError } from "#core/base/errors.ts";

/** Throws resource_exhausted: one more of `what` would exceed a cap of this tracker. */
export function refuse(what: string): never {
  throw new PiezaError("resource_exhausted", `this tracker takes no more ${what}`);
}

/** Throws not_found: the lease that a call names has ended. */
export function refuseEnded(): never {
  throw new PiezaError("not_found", "the lease has ended");
}
