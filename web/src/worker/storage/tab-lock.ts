/** Releases the lock. */
export type Release = () => void;

/**
 * Takes the lock of a download, so that only one tab works on it. Undefined if another tab has the lock. Browsers
 * without locks (insecure pages) have no shared storage either, so there every caller gets one.
 */
export function tryLock(name: string): Promise<Release | undefined> {
  return request(name, { ifAvailable: true });
}

/** Waits until the other tab releases the lock or closes. Rejects with the reason of the signal. */
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
