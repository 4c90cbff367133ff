import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { InvalidField } from "#core/base/errors.ts";
import { PeerService } from "#gen/pieza/v1/peer_pb.ts";
import { toConnectError } from "../../http/base/connect-error.ts";
import { kCallerAddress, kOnAnswered } from "../../http/base/context.ts";
import { requestBytesOf } from "../../http/base/limits.ts";
import { requireToken } from "../../http/guards/token.ts";
import type { UploadBudget } from "../../http/guards/upload-budget.ts";
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

const { storePiece } = PeerService.method;

/**
 * Checks the token and takes the request's bytes from the budget before its body is read, so that neither a stranger
 * nor a crowd fills the memory. A request without Content-Length counts as the longest one allowed.
 */
export function storePieceGate(token: string | undefined, budget: UploadBudget) {
  return (context: HandlerContext): void => {
    if (context.method !== storePiece) return;
    try {
      requireToken(token, context.values);
      const release = budget.take(context.values.get(kCallerAddress), announcedBytes(context));
      context.values.get(kOnAnswered)(release);
    } catch (error) {
      throw toConnectError(error);
    }
  };
}

function announcedBytes({ requestHeader }: HandlerContext): number {
  const most = requestBytesOf(storePiece);
  const length = requestHeader.get("content-length");
  if (length === null) return most;
  if (!/^\d{1,10}$/.test(length)) throw new InvalidField("content-length", "is not a number");
  return Math.min(most, Number(length));
}
