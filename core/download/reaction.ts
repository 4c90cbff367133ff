import { type ErrorCode, PeerFailed, PiezaError, WrongPiece } from "../base/errors.ts";

/** What a failed request for a piece means for its peer. "fail": it means the end of the download. */
export type Reaction =
  | { readonly kind: "banned" | "skipped" | "lacks" | "back off"; readonly because: PiezaError }
  | { readonly kind: "fail"; readonly because: unknown };

/** Codes of an honest peer that turns out to lack a piece, or whose copy has rotted. */
const LACKING: ReadonlySet<ErrorCode> = new Set(["not_found", "out_of_range", "data_loss"]);

export function reactionTo(error: unknown, legacy: boolean): Reaction {
  if (error instanceof WrongPiece) return { kind: "banned", because: error };
  if (!(error instanceof PeerFailed)) return { kind: "fail", because: error };
  if (legacy && error.code === "unimplemented") {
    // The original legacy peer registers pieces and has no call that gives them.
    const because = new PiezaError(error.code, `gives no pieces: ${error.message}`);
    return { kind: "skipped", because };
  }
  return { kind: LACKING.has(error.code) ? "lacks" : "back off", because: error };
}
