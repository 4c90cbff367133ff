import type { StorageInfo } from "../../base/messages.ts";

/** What a page without storage takes: twice this is in memory while it is saved, which a phone can still bear. */
export const MEMORY_CAP_BYTES = 512 << 20;

/** Finds out where this worker can keep bytes. */
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

/** Bytes that this origin may still take, as far as the browser says. */
export async function freeBytes(): Promise<number> {
  const { quota, usage } = await navigator.storage.estimate();
  return quota === undefined ? Number.POSITIVE_INFINITY : Math.max(0, quota - (usage ?? 0));
}
