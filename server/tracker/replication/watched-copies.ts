import type { MessageInitShape } from "@bufbuild/protobuf";
import type { CopyState } from "#core/replication/copies.ts";
import type { ReplicationStateSchema, WatchedOrderSchema } from "#gen/pieza/v1/tracker_pb.ts";
import type { OrderBook } from "../store/order-store.ts";
import { rangesMessage } from "./replication-message.ts";

const MAX_ORDERS = 1_000;

/** The copies of a swarm, as Scrape and WatchSwarm tell them. */
export interface CopyReport {
  readonly book: OrderBook;
  /** Undefined if the swarm has no peers. */
  readonly state: CopyState | undefined;
  readonly bytesCopied: number;
}

export function replicationState({
  book,
  state,
  bytesCopied,
}: CopyReport): MessageInitShape<typeof ReplicationStateSchema> {
  return {
    target: state?.target ?? 0,
    piecesUnderTarget: state?.under ?? 0,
    piecesLost: state?.lost ?? 0,
    piecesOrdered: book.orders.reduce((sum, { left }) => sum + left, 0),
    bytesCopied: BigInt(bytesCopied),
  };
}

export function watchedOrders({ orders }: OrderBook): MessageInitShape<typeof WatchedOrderSchema>[] {
  return orders
    .slice(0, MAX_ORDERS)
    .map(({ url, ranges, sources }) => ({ url, ranges: rangesMessage(ranges), sources: [...sources] }));
}
