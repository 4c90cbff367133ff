import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { AnnounceEvent } from "#core/ports/tracker.ts";
import {
  type AnnounceRequest,
  AnnounceRequestSchema,
  AnnounceResponseSchema,
  AnnounceEvent as EventMessage,
} from "#gen/pieza/v1/tracker_pb.ts";
import { type DirectMethod, readMessage } from "../../http/direct/direct.ts";
import type { TrackerMetrics } from "../metrics/metrics.ts";
import { announceAnswer } from "../replication/replication-message.ts";
import type { FailureVotes } from "../store/failure-votes.ts";
import { parseAnnounce } from "./announce-message.ts";
import type { Overload } from "./overload.ts";
import type { Registrar } from "./registrar.ts";

export interface AnnounceParts {
  readonly registrar: Registrar;
  readonly metrics: TrackerMetrics;
  readonly overload: Overload;
  readonly votes: FailureVotes;
}

type AnnounceAnswer = MessageInitShape<typeof AnnounceResponseSchema>;

/** Answers TrackerService.Announce, as a message or encoded. The Registrar decides. */
export class AnnounceCall {
  readonly #parts: AnnounceParts;

  constructor(parts: AnnounceParts) {
    this.#parts = parts;
  }

  /** Answers in Connect's handler. */
  async answer(request: AnnounceRequest, caller: string, signal: AbortSignal): Promise<AnnounceAnswer> {
    const { metrics, overload, registrar, votes } = this.#parts;
    const announce = parseAnnounce(request);
    metrics.announced(announce.event);
    this.#admit(announce.event);
    const announced = await metrics.timed("announce", () => registrar.announce(announce, caller, signal));
    // Reports count only now that the caller has proven that it holds a lease.
    votes.report(announce.failures ?? [], announced.lease.id, caller);
    metrics.answered(announced.listed);
    const nextAnnounceMs = overload.heartbeatMs(announced.nextAnnounceMs);
    return announceAnswer({ ...announced, nextAnnounceMs }, request.leaseSecret);
  }

  /** Answers before Connect's handler, except STARTED, which may dial the peer and needs the handler's signal. */
  readonly direct: DirectMethod<AnnounceRequest> = {
    read: (message) => {
      const request = readMessage(AnnounceRequestSchema, message);
      return request?.event === EventMessage.STARTED ? undefined : request;
    },
    answer: async (request, caller) => {
      const answer = await this.answer(request, caller.address, NEVER);
      const bytes = toBinary(AnnounceResponseSchema, create(AnnounceResponseSchema, answer));
      return { parts: [bytes], headers: NO_STORE };
    },
  };

  #admit(event: AnnounceEvent): void {
    try {
      this.#parts.overload.admit(event);
    } catch (error) {
      this.#parts.metrics.shed(event);
      throw error;
    }
  }
}

const NEVER = new AbortController().signal;
const NO_STORE = { "cache-control": "no-store" };
