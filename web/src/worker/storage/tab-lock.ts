/** Lets go of the lock. */
export type Release = () => void;

/**
 * One tab at a time works on a download. Undefined if another one has the lock now. Where the browser has no locks
 * (insecure pages) there is no shared storage to fight over either, and everybody gets one.
 */
export function tryLock(name: string): Promise<Release | undefined> {
  return request(name, { ifAvailable: true });
}

/** Waits until the other tab lets go or closes. Rejects with the signal's reason. */
export async function waitForLock(name: string, signal: AbortSignal): Promise<Release> {
  return (await request(name, { signal }))!;
}

function request(name: string, options: LockOptions): Promise<Release | undefined> {
  const { locks } = navigator;
  if (!locks) return Promise.resolve(() => {});
  return new Promise((resolve, reject) => {
    const hold = (lock: Lock | null): Promise<void> | undefined => {
      if (lock) return new Promise<void>((release) => resolve(() => release()));
      resolve(undefined);
      return undefined;
    };
    locks.request(name, options, hold).catch(reject);
  });
}
