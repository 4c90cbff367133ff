import { type ContextValues, createContextKey, createContextValues } from "@connectrpc/connect";
import type { PieceSink } from "../ports/peer.ts";

/** Takes the number of bytes of an answer that have just arrived. */
export type OnBytes = (bytes: number) => void;

/** Of a call for a piece. The library reads an answer to its end, so only its transport sees the bytes arrive. */
export const onBytesKey = createContextKey<OnBytes | undefined>(undefined);

/** The values of a call whose transport tells the sink of the bytes that arrive. */
export function telling(sink: PieceSink): ContextValues {
  return createContextValues().set(onBytesKey, (bytes) => sink.coming?.(bytes));
}
