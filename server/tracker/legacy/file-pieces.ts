import { Bitfield } from "#core/base/bitfield.ts";
import { PiezaError } from "#core/base/errors.ts";
import { holderInTurn } from "#core/base/round-robin.ts";
import type { PeerAddresses } from "#gen/tracker_pb.ts";
import type { PeerSelection } from "../locate/peer-selector.ts";
import type { LegacyMember } from "../store/swarm-store.ts";

/** Under the 4 MiB that gRPC clients accept by default. */
const MAX_ENCODED_BYTES = 3 << 20;

/** The holders of each piece, by number: first the one whose turn it is, then the others in the table's order. */
export type FilePieces = Record<number, Pick<PeerAddresses, "addresses">>;

/**
 * Turns a selection into the map of GetFilePieces, with the same choice of peers as LocatePieces. Throws out_of_range
 * above 3 MiB in binary, and failed_precondition if legacy peers declare different hashes for one piece.
 */
export function filePieces({ peers, legacyPeers, turn }: PeerSelection): FilePieces {
  checkOneFile(legacyPeers);
  const holders = [...peers.map(({ url, bitfield }) => ({ address: addressOf(url), has: bitfield }))];
  for (const { url, pieces } of legacyPeers)
    holders.push({ address: addressOf(url), has: numbersOf(pieces) });
  const last = Math.max(0, ...holders.map(({ has }) => has.size));
  const answer: FilePieces = {};
  let encodedBytes = 0;
  for (let number = 1; number <= last; number++) {
    const having = holders.filter(({ has }) => has.has(number - 1)).map(({ address }) => address);
    if (having.length === 0) continue;
    const first = holderInTurn(turn, number, having.length);
    answer[number] = { addresses: [...having.slice(first), ...having.slice(0, first)] };
    encodedBytes += bytesOfEntry(number, having);
    if (encodedBytes > MAX_ENCODED_BYTES) {
      throw new PiezaError(
        "out_of_range",
        "too many pieces for one answer: ask pieza.v1.TrackerService.LocatePieces",
      );
    }
  }
  return answer;
}

function checkOneFile(legacyPeers: readonly LegacyMember[]): void {
  if (legacyPeers.length < 2) return;
  const hashes = new Map<number, string>();
  for (const { pieces } of legacyPeers) {
    for (const { number, hash } of pieces) {
      if ((hashes.get(number) ?? hash) !== hash) {
        throw new PiezaError("failed_precondition", "peers declare different files of this name");
      }
      hashes.set(number, hash);
    }
  }
}

function numbersOf(pieces: LegacyMember["pieces"]): Bitfield {
  return Bitfield.of(
    pieces.at(-1)?.number ?? 0,
    pieces.map(({ number }) => number - 1),
  );
}

/** Host and port of a peer's URL, which names the port even if it is the scheme's default. */
function addressOf(url: string): string {
  return url.slice(url.indexOf("//") + 2);
}

/**
 * The binary length of one map entry: protobuf writes a tag of one byte, and a length before each text and message.
 */
function bytesOfEntry(number: number, addresses: readonly string[]): number {
  const value = addresses.reduce((sum, { length }) => sum + sized(length), 0);
  return sized(1 + varintBytes(number) + sized(value));
}

function sized(length: number): number {
  return 1 + varintBytes(length) + length;
}

function varintBytes(value: number): number {
  return value < 1 << 7 ? 1 : value < 1 << 14 ? 2 : value < 1 << 21 ? 3 : 4;
}
