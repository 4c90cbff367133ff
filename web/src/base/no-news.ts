import type { SwarmNews } from "./messages.ts";

/** News of a swarm of which nothing is known. */
export const noNews: Omit<SwarmNews, "infoHash" | "problem"> = {
  peers: [],
  copies: new Uint16Array(0),
  onTheirWay: new Uint16Array(0),
  replication: { target: 0, underTarget: 0, lost: 0, bytesCopied: 0, repairs: [] },
};
