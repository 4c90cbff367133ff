import type { StorageInfo } from "../../base/messages.ts";

/** Largest download without storage. Saving takes twice this in memory, which a phone still has. */
export const MEMORY_CAP_BYTES = 512 << 20;

/** Finds out whether this worker can store pieces on disk. */
export async function storageInfo(): Promise<StorageInfo> {
  if (!globalThis.isSecureContext) {
    return { kind: "memory", memoryBecause: "insecure", capBytes: MEMORY_CAP_BYTES };
  }
  try {
    await navigator.storage.getDirectory();
    if (typeof FileSystemFileHandle.prototype.createSyncAccessHandle !== "function") throw new TypeError();
    return { kind: "disk", capBytes: Number.POSITIVE_INFINITY };
  } catch {
    return { kind: "memory", memoryBecause: "unsupported", capBytes: MEMORY_CAP_BYTES };
  }
}

/** Bytes of storage that the browser still grants this origin; Infinity if it does not say. */
export async function freeBytes(): Promise<number> {
  const { quota, usage } = await navigator.storage.estimate();
  return quota === undefined ? Number.POSITIVE_INFINITY : Math.max(0, quota - (usage ?? 0));
}
