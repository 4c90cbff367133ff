import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { Random } from "#core/base/clock.ts";
import { InvalidField } from "#core/base/errors.ts";
import { MAX_INT_FIELD_BYTES, writeIntField } from "#core/rpc/wire.ts";
import { parseInfoHash } from "#core/torrent/info-hash.ts";
import {
  type LocatePiecesRequest,
  LocatePiecesRequestSchema,
  LocatePiecesResponseSchema,
  type SwarmPeer,
} from "#gen/pieza/v1/tracker_pb.ts";
import { type DirectMethod, readMessage } from "../../http/direct/direct.ts";
import type { AnswerRate } from "../../http/guards/answer-rate.ts";
import type { Overload } from "../announce/overload.ts";
import type { TrackerMetrics } from "../metrics/metrics.ts";
import { checkString, checkTotalPieces } from "../store/checks.ts";
import type { SwarmStore } from "../store/swarm-store.ts";
import type { AnswerCache } from "./answer-cache.ts";
import type { PeerSelection, PeerSelector, SwarmQuery } from "./peer-selector.ts";
import { legacyFields, peerFields, swarmPeers } from "./swarm-message.ts";
import { revisionOf } from "./table-revision.ts";

export interface LocateCallParts {
  readonly store: SwarmStore;
  readonly selector: PeerSelector;
  readonly metrics: TrackerMetrics;
  readonly overload: Overload;
  readonly answers: AnswerCache;
  /** Charges an address for answers that are not cached; undefined: nothing is charged. */
  readonly answerRate: AnswerRate | undefined;
  readonly random: Random;
  readonly locateMs: number;
}

/** Bytes of a declared piece, for the rate. */
const DECLARED_BYTES = 72;
/** Decoded requests that are cached, and the longest of them in bytes: one without `since`. */
const MAX_QUESTIONS = 4_096;
const MAX_QUESTION_BYTES = 384;

/** A decoded request, and its query once that has been checked. */
interface Question {
  readonly request: LocatePiecesRequest;
  query?: SwarmQuery;
}

type LocateAnswer = MessageInitShape<typeof LocatePiecesResponseSchema>;

/** Answers TrackerService.LocatePieces, as a message or encoded. PeerSelector chooses the peers. */
export class LocateCall {
  readonly #parts: LocateCallParts;
  /** Recent requests by their bytes: the downloaders of one swarm all send the same. */
  readonly #questions = new Map<string, Question>();

  constructor(parts: LocateCallParts) {
    this.#parts = parts;
  }

  /** Answers in Connect's handler. */
  async answer(request: LocatePiecesRequest, caller: string): Promise<LocateAnswer> {
    const question = { request };
    const located = await this.#located(question);
    this.#parts.answerRate?.admit(caller);
    const answer = this.#message(question, located, swarmPeers(located.peers, request.since));
    this.#charge(caller, DECLARED_BYTES * (answer.seedPieces?.length ?? 0));
    return answer;
  }

  /** Answers before Connect's handler. The part that answers share between two changes of a swarm is encoded once. */
  readonly direct: DirectMethod<Question> = {
    read: (message) => this.#read(message),
    answer: async (question, { address }) => {
      const located = await this.#located(question);
      const plain = located.swarm && located.legacyPeers.length === 0 && question.request.since.length === 0;
      if (plain) return { parts: [this.#turn(located), this.#rest(question, located)], headers: NO_STORE };
      this.#parts.answerRate?.admit(address);
      const bytes = encode(
        this.#message(question, located, swarmPeers(located.peers, question.request.since)),
      );
      if (located.legacyPeers.length > 0) this.#charge(address, bytes.length);
      return { parts: [bytes], headers: NO_STORE };
    },
  };

  /** Undefined if the message is malformed: then Connect's handler answers with the error. */
  #read(message: Uint8Array): Question | undefined {
    const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength).toString("latin1");
    const known = this.#questions.get(bytes);
    if (known) return known;
    const request = readMessage(LocatePiecesRequestSchema, message);
    if (!request) return undefined;
    const question = { request };
    if (bytes.length <= MAX_QUESTION_BYTES) {
      if (this.#questions.size === MAX_QUESTIONS) this.#questions.clear();
      this.#questions.set(bytes, question);
    }
    return question;
  }

  #located(question: Question): Promise<PeerSelection> {
    const { metrics, selector } = this.#parts;
    metrics.located("");
    const query = queryOf(question);
    return metrics.timed("locate", () => selector.select(query));
  }

  #message(question: Question, located: PeerSelection, peers: SwarmPeer[]): LocateAnswer {
    const { infoHash, totalPieces } = located.swarm ?? queryOf(question);
    return {
      infoHash: infoHash ?? "",
      totalPieces,
      peers,
      revision: revisionOf(located.peers),
      turn: located.turn,
      trackerId: this.#parts.store.trackerId,
      nextLocateMs: this.#nextLocateMs(),
      ...legacyFields(located, this.#parts.random),
    };
  }

  /** The answer without the fields of `#turn`, encoded. */
  #rest(question: Question, located: PeerSelection): Uint8Array {
    const { answers, store } = this.#parts;
    return answers.get(located.peers, store.trackerId, () => {
      const others = encode({ ...this.#message(question, located, []), turn: 0, nextLocateMs: 0 });
      return Buffer.concat([others, ...peerFields(located.peers)]);
    });
  }

  /** The fields that differ in each answer. They come first, so that they share a write with the envelope. */
  #turn({ turn }: PeerSelection): Uint8Array {
    const bytes = Buffer.allocUnsafe(2 * MAX_INT_FIELD_BYTES);
    const next = writeIntField(bytes, 0, TURN, turn);
    return bytes.subarray(0, writeIntField(bytes, next, NEXT_LOCATE_MS, this.#nextLocateMs()));
  }

  /** Charges for an answer with what legacy peers declare: half a MiB for a name, made anew each time. */
  #charge(caller: string, bytes: number): void {
    this.#parts.answerRate?.charge(caller, bytes);
  }

  #nextLocateMs(): number {
    return this.#parts.overload.locateMs(this.#parts.locateMs);
  }
}

function encode(answer: LocateAnswer): Uint8Array {
  return toBinary(LocatePiecesResponseSchema, create(LocatePiecesResponseSchema, answer));
}

const { turn: turnField, nextLocateMs: nextLocateMsField } = LocatePiecesResponseSchema.field;
const [TURN, NEXT_LOCATE_MS] = [turnField.number, nextLocateMsField.number];
const NO_STORE = { "cache-control": "no-store" };

/** The checked query of a request. Throws InvalidField. */
function queryOf(question: Question): SwarmQuery {
  question.query ??= parseQuery(question.request);
  return question.query;
}

function parseQuery(request: LocatePiecesRequest): SwarmQuery {
  const totalPieces = request.totalPieces && checkTotalPieces(request.totalPieces);
  const fileName = checkString("file_name", request.fileName);
  const zone = checkString("zone", request.zone);
  if (request.infoHash) return { infoHash: parseInfoHash(request.infoHash), fileName, totalPieces, zone };
  if (!fileName) throw new InvalidField("info_hash", "this or file_name is needed");
  return { fileName, totalPieces, zone };
}
