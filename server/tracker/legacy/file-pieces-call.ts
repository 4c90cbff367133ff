import { create, toBinary } from "@bufbuild/protobuf";
import { GetFilePiecesResponseSchema, TrackerService } from "#gen/tracker_pb.ts";
import { directMethod } from "../../http/direct/direct.ts";
import type { AnswerCache } from "../locate/answer-cache.ts";
import type { PeerSelection, PeerSelector } from "../locate/peer-selector.ts";
import { leastCommonMultiple } from "../locate/windows.ts";
import { type FilePieces, filePieces } from "./file-pieces.ts";
import { parseFileName } from "./legacy-message.ts";

/** The answers of a table are cached if they repeat after at most this many turns. */
const MAX_KEPT = 16;

/** Answers the legacy TrackerService.GetFilePieces, as a message or encoded. */
export class FilePiecesCall {
  readonly #selector: PeerSelector;
  readonly #answers: AnswerCache;
  /** After how many turns the answers of a table repeat. */
  readonly #periods = new WeakMap<object, number>();

  constructor(selector: PeerSelector, answers: AnswerCache) {
    this.#selector = selector;
    this.#answers = answers;
  }

  /** Answers in Connect's handler. */
  async answer(fileName: string): Promise<FilePieces> {
    return filePieces(await this.#locate(fileName));
  }

  /** Answers before Connect's handler. */
  readonly direct = directMethod(TrackerService.method.getFilePieces, async ({ fileName }) => {
    const located = await this.#locate(fileName);
    return { parts: [this.#encoded(located)], headers: { "cache-control": "no-store" } };
  });

  #locate(fileName: string): Promise<PeerSelection> {
    return this.#selector.select({ fileName: parseFileName(fileName), totalPieces: 0 });
  }

  #encoded(located: PeerSelection): Uint8Array {
    const { peers, legacyPeers, turn } = located;
    if (legacyPeers.length > 0) return encode(located);
    const known = this.#periods.get(peers);
    const period = known ?? periodOf(located);
    if (known === undefined) this.#periods.set(peers, period);
    if (period > MAX_KEPT) return encode(located);
    return this.#answers.get(peers, `map ${turn % period}`, () => encode(located));
  }
}

/** Turns until the holders of every piece are in the same order again: a piece has as many orders as holders. */
function periodOf({ peers, swarm }: PeerSelection): number {
  const complete = peers.filter(({ bitfield }) => bitfield.complete).length;
  const partial = peers.filter(({ bitfield }) => !bitfield.complete);
  let period = Math.max(1, complete);
  const pieces = partial.length > 0 ? (swarm?.totalPieces ?? 0) : 0;
  for (let index = 0; index < pieces && period <= MAX_KEPT; index++) {
    const holders = complete + partial.filter(({ bitfield }) => bitfield.has(index)).length;
    if (holders > 1) period = leastCommonMultiple(period, holders);
  }
  return period;
}

function encode(located: PeerSelection): Uint8Array {
  const message = create(GetFilePiecesResponseSchema, { pieces: filePieces(located) });
  return toBinary(GetFilePiecesResponseSchema, message);
}
