import { PiezaError } from "#core/base/errors.ts";

/** Over a cap of this tracker. */
export function refuse(what: string): never {
  throw new PiezaError("resource_exhausted", `this tracker takes no more ${what}`);
}
