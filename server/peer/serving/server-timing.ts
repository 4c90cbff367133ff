import type { Upload } from "./uploads.ts";

/** Where a peer's time for a piece went, as the Server-Timing header says it: "limit;dur=12.3, read;dur=0.4". */
export function serverTiming({ waitMs, readMs }: Upload): string {
  return `limit;dur=${waitMs.toFixed(1)}, read;dur=${readMs.toFixed(1)}`;
}
