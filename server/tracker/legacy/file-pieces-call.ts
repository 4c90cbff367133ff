import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { GetFilePiecesRequestSchema, GetFilePiecesResponseSchema } from "#gen/tracker_pb.ts";
import type { DirectMethod } from "../../http/direct/direct.ts";
import type { AnswerCache } from "../locate/answer-cache.ts";
import type { PeerSelection, PeerSelector } from "../locate/peer-selector.ts";
import { type FilePieces, filePieces } from "./file-pieces.ts";
import { parseFileName } from "./legacy-message.ts";

/** Answers that a table has at most, one after the other, for them to be kept. */
const MAX_KEPT = 16;

export interface FilePiecesParts {
  readonly selector: PeerSelector;
  readonly answers: AnswerCache;
}

/** The seed's TrackerService.GetFilePieces, as a message or in its bytes. */
export class FilePiecesCall {
  readonly #parts: FilePiecesParts;
  /** By table: after how many turns its answers come again. */
  readonly #periods = new WeakMap<object, number>();

  constructor(parts: FilePiecesParts) {
    this.#parts = parts;
  }

  /** For the library's handler. */
  async answer(fileName: string): Promise<FilePieces> {
    return filePieces(await this.#locate(fileName));
  }

  /** In front of it. */
  readonly direct: DirectMethod = async (message) => {
    const fileName = decode(message);
    if (fileName === undefined) return undefined;
    const located = await this.#locate(fileName);
    return { parts: [this.#encoded(located)], headers: { "cache-control": "no-store" } };
  };

  #locate(fileName: string): Promise<PeerSelection> {
    return this.#parts.selector.locate({ fileName: parseFileName(fileName), totalPieces: 0 });
  }

  #encoded(located: PeerSelection): Uint8Array {
    const { peers, legacyPeers, turn } = located;
    if (legacyPeers.length > 0) return encode(located);
    const known = this.#periods.get(peers);
    const period = known ?? periodOf(located);
    if (known === undefined) this.#periods.set(peers, period);
    if (period > MAX_KEPT) return encode(located);
    return this.#parts.answers.get(peers, `map ${turn % period}`, () => encode(located));
  }
}

/** Turns after which every piece's holders come in the same order again: the order of each has as many as it has holders. */
function periodOf({ peers, swarm }: PeerSelection): number {
  const complete = peers.filter(({ bitfield }) => bitfield.complete).length;
  const partial = peers.filter(({ bitfield }) => !bitfield.complete);
  let period = Math.max(1, complete);
  for (
    let index = 0;
    partial.length > 0 && index < (swarm?.totalPieces ?? 0) && period <= MAX_KEPT;
    index++
  ) {
    const holders = complete + partial.filter(({ bitfield }) => bitfield.has(index)).length;
    if (holders > 1) period = (period * holders) / gcd(period, holders);
  }
  return period;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

function encode(located: PeerSelection): Uint8Array {
  const message = create(GetFilePiecesResponseSchema, { pieces: filePieces(located) });
  return toBinary(GetFilePiecesResponseSchema, message);
}

/** Undefined for what is no such message: the library says so. */
function decode(message: Uint8Array): string | undefined {
  try {
    return fromBinary(GetFilePiecesRequestSchema, message).fileName;
  } catch {
    return undefined;
  }
}
