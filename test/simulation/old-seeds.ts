/** Seeds that once failed, and what they found: they run for ever. */
export const oldSeeds: Readonly<Record<number, string>> = {
  4: "a peer that was wanted back while it said goodbye",
  18: "a piece that was still being stored was asked of another peer",
  30: "a piece that was still being stored was asked of another peer",
  61: "a finished file that could not be read was taken for another file in the way",
  126: "the only holder of a piece was left out for being slower than peers without it",
  154: "the only holder of a piece was left out for being slower than peers without it",
  643: "a stop while the store was being opened",
  1020: "a journal's header that a kill kept from the disk, and a power cut then took away",
  2119: "a journal's header that a kill kept from the disk, and a power cut then took away",
  2926: "an announce that was under way while its tracker closed",
  6535: "equal peers left the last piece to each other",
  10408: "equal peers left the last piece to each other",
  2401: "an answer of a tracker that had just been replaced",
};
