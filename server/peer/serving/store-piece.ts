import type { ServiceImpl } from "@connectrpc/connect";
import type { PeerService } from "#gen/pieza/v1/peer_pb.ts";
import type { MethodPolicy } from "../../http/guards/policy.ts";
import { tokenAuthority } from "../../http/guards/token.ts";
import { UploadBudget } from "../../http/guards/upload-budget.ts";
import type { StoredTorrents } from "./stored-torrents.ts";

/** The StorePiece call, for peers whose operator lets others store pieces. */
export function storePieceService(
  stored: StoredTorrents,
): Pick<ServiceImpl<typeof PeerService>, "storePiece"> {
  return {
    async storePiece({ infoHash, number, data }) {
      return { stored: await stored.store(infoHash, number, data) };
    },
  };
}

/** The largest piece, 16 MiB, with the fields around it. */
const MAX_MESSAGE_BYTES = (16 << 20) + (1 << 10);
/** The bytes of stored pieces that are on their way at once. */
const MAX_IN_FLIGHT_BYTES = 64 << 20;

/**
 * What calls of StorePiece are held to. The token and the room come before the body is read, so callers without a token
 * take no memory. The bytes are bounded, so the number of calls is not.
 */
export function storePiecePolicy(token: string | undefined): MethodPolicy {
  return {
    requestBytes: MAX_MESSAGE_BYTES,
    rated: false,
    authority: tokenAuthority(token),
    room: new UploadBudget(MAX_IN_FLIGHT_BYTES),
    compressed: false,
  };
}
