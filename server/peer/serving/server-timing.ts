import type { Upload } from "./uploads.ts";

/** The Server-Timing header of a piece, in milliseconds: "limit;dur=12.3, read;dur=0.4". */
export function serverTiming({ waitMs, readMs }: Upload): string {
  return `limit;dur=${waitMs.toFixed(1)}, read;dur=${readMs.toFixed(1)}`;
}
