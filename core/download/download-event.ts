import type { Bitfield } from "../base/bitfield.ts";
import type { SwarmTable } from "../ports/tracker.ts";
import type { DownloadPeer, PieceRequest } from "./download-peer.ts";

/** An event of a download. Workers post events; the download handles them one after the other. */
export type DownloadEvent =
  | { readonly type: "located"; readonly table: SwarmTable }
  | { readonly type: "trackerFailed"; readonly reason: string }
  | { readonly type: "bitfield"; readonly peer: DownloadPeer; readonly has: Bitfield }
  | { readonly type: "pollFailed"; readonly peer: DownloadPeer; readonly error: unknown }
  | { readonly type: "held"; readonly request: PieceRequest }
  | { readonly type: "requestFailed"; readonly request: PieceRequest; readonly error: unknown }
  | { readonly type: "finished" }
  | { readonly type: "failed"; readonly error: unknown }
  | { readonly type: "room" }
  | { readonly type: "tick" };
