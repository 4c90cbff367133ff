import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Lease } from "#core/ports/tracker.ts";
import { replaceFile } from "../../base/replace-file.ts";
import { codeOf } from "../stores/disk.ts";

/** Keeps an announcer's lease between runs. */
export interface Leases {
  load(): Promise<Lease | undefined>;
  save(lease: Lease): Promise<void>;
}

/** Keeps the lease for this run only. */
export function leaseInMemory(): Leases {
  let kept: Lease | undefined;
  return {
    load: async () => kept,
    save: async (lease) => {
      kept = lease;
    },
  };
}

/**
 * Keeps the lease in a file that only this user may read: its secret can end the lease. `folder` belongs to one role
 * and port, so that several peers of one user do not take each other's leases. A damaged file counts as no lease.
 */
export function leaseOnDisk(folder: string, trackerUrl: string): Leases {
  const path = join(folder, `lease-${encodeURIComponent(new URL(trackerUrl).host)}.json`);
  return {
    async load() {
      try {
        return parseLease(await readFile(path, "utf8"));
      } catch (error) {
        if (codeOf(error) === "ENOENT" || error instanceof SyntaxError) return undefined;
        throw error;
      }
    },
    save: ({ id, secret }) => replaceFile(path, `${JSON.stringify({ id, secret })}\n`, 0o600),
  };
}

function parseLease(text: string): Lease | undefined {
  const { id, secret } = JSON.parse(text) ?? {};
  return typeof id === "string" && typeof secret === "string" ? { id, secret } : undefined;
}
