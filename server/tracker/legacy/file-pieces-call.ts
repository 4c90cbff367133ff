import { TrackerService } from "#gen/tracker_pb.ts";
import { directMethod } from "../../http/direct/direct.ts";
import type { AnswerRate } from "../../http/guards/answer-rate.ts";
import type { AnswerCache } from "../locate/answer-cache.ts";
import type { PeerSelection, PeerSelector } from "../locate/peer-selector.ts";
import { encodedFilePieces, type FilePieces, filePieces, turnsUntilAgain } from "./file-pieces.ts";
import { parseFileName } from "./legacy-message.ts";

/** The answers of a table are cached if they repeat after at most this many turns. */
const MAX_KEPT = 16;
/** An answer that has to be made costs its caller as much as so many from the cache. */
const MAKING_COSTS = 8;
/** The library takes half a second for an answer of 100,000 pieces. Callers in binary get these without it. */
const MAX_PIECES_BY_LIBRARY = 16_384;
/** Bytes of a piece in the library's answer, for the rate: an address, and what JSON writes around it. */
const PIECE_BYTES = 64;

/** Answers the legacy TrackerService.GetFilePieces, as a message or encoded. */
export class FilePiecesCall {
  readonly #selector: PeerSelector;
  readonly #answers: AnswerCache;
  readonly #rate: AnswerRate | undefined;
  /** For each table, after how many turns its answers repeat: by its peers, then by its legacy peers. */
  readonly #tables = new WeakMap<object, WeakMap<object, { readonly period: number }>>();

  constructor(selector: PeerSelector, answers: AnswerCache, rate?: AnswerRate) {
    this.#selector = selector;
    this.#answers = answers;
    this.#rate = rate;
  }

  /** Answers in Connect's handler. */
  async answer(fileName: string, caller: string): Promise<FilePieces> {
    const located = await this.#locate(fileName, caller);
    const pieces = filePieces(located, MAX_PIECES_BY_LIBRARY);
    this.#rate?.charge(caller, MAKING_COSTS * PIECE_BYTES * Object.keys(pieces).length);
    return pieces;
  }

  /** Answers before Connect's handler. */
  readonly direct = directMethod(TrackerService.method.getFilePieces, async ({ fileName }, { address }) => {
    const located = await this.#locate(fileName, address);
    return { parts: [this.#encoded(located, address)], headers: { "cache-control": "no-store" } };
  });

  #locate(fileName: string, caller: string): Promise<PeerSelection> {
    const name = parseFileName(fileName);
    this.#rate?.admit(caller);
    return this.#selector.select({ fileName: name, totalPieces: 0 });
  }

  #encoded(located: PeerSelection, caller: string): Uint8Array {
    const table = this.#tableOf(located);
    let cost = 1;
    const make = () => {
      cost = MAKING_COSTS;
      return encodedFilePieces(located);
    };
    const { period } = table;
    const answer =
      period > MAX_KEPT ? make() : this.#answers.get(table, `map ${located.turn % period}`, make);
    this.#rate?.charge(caller, cost * answer.length);
    return answer;
  }

  #tableOf(located: PeerSelection): { readonly period: number } {
    const { peers, legacyPeers } = located;
    const byLegacy = this.#tables.get(peers) ?? new WeakMap<object, { readonly period: number }>();
    this.#tables.set(peers, byLegacy);
    const known = byLegacy.get(legacyPeers) ?? { period: turnsUntilAgain(located, MAX_KEPT) };
    byLegacy.set(legacyPeers, known);
    return known;
  }
}
