/** Lets other events in if it is time. Call it between the parts of a long computation. */
export type Breathe = () => Promise<void> | undefined;

/** For computations that may hold their thread. */
export const neverBreathe: Breathe = () => undefined;
