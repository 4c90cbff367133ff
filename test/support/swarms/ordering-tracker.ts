import type { MessageInitShape } from "@bufbuild/protobuf";
import { Bitfield } from "#core/base/bitfield.ts";
import {
  AnnounceEvent,
  type AnnounceRequest,
  type AnnounceResponseSchema,
  TrackerService,
} from "#gen/pieza/v1/tracker_pb.ts";
import { served } from "../../../server/http/handling/served-service.ts";
import { type RunningServer, startServer } from "../../../server/http/listening/server.ts";
import { trackerPolicies } from "../../../server/tracker/service.ts";

type Answer = MessageInitShape<typeof AnnounceResponseSchema>;

/** A real server that answers Announce as it is told, and names nobody. What it hears, it keeps. */
export class OrderingTracker {
  readonly heard: AnnounceRequest[] = [];
  /** What the next answers say of copies. May be changed, or replaced by what depends on the announce. */
  answer: Answer | ((announce: AnnounceRequest) => Answer) = {};
  /** By info hash: what was announced last. Undefined before that, and after the torrent was left. */
  readonly held = new Map<string, number[]>();
  readonly #server: RunningServer;
  /** What it says that its id is. May be changed. */
  id: string;

  private constructor(server: RunningServer, id: string) {
    this.#server = server;
    this.id = id;
  }

  static async start(id = "ordering"): Promise<OrderingTracker> {
    const holder: { tracker?: OrderingTracker } = {};
    const server = await startServer({
      port: 0,
      rateLimit: false,
      services: [
        served(
          TrackerService,
          {
            announce: (request) => holder.tracker!.#announced(request),
            locatePieces: ({ infoHash, totalPieces }) => ({ infoHash, totalPieces, nextLocateMs: 500 }),
          },
          { policies: trackerPolicies },
        ),
      ],
    });
    holder.tracker = new OrderingTracker(server, id);
    return holder.tracker;
  }

  get url(): string {
    return this.#server.url;
  }

  get last(): AnnounceRequest | undefined {
    return this.heard.at(-1);
  }

  close(): Promise<void> {
    return this.#server.close({ graceMs: 0 });
  }

  #announced(request: AnnounceRequest): Answer {
    this.heard.push(request);
    for (const { infoHash, totalPieces, complete, bitfield } of request.torrents) {
      if (complete) this.held.set(infoHash, [...Bitfield.full(totalPieces)]);
      else if (bitfield) this.held.set(infoHash, [...Bitfield.fromBytes(totalPieces, bitfield)]);
    }
    for (const infoHash of request.left) this.held.delete(infoHash);
    if (request.event === AnnounceEvent.STOPPED) this.held.clear();
    const answer = typeof this.answer === "function" ? this.answer(request) : this.answer;
    return {
      leaseId: "lease",
      leaseSecret: request.leaseSecret ? "" : "ab".repeat(16),
      trackerId: this.id,
      nextAnnounceMs: 250,
      listed: true,
      url: "http://127.0.0.1:1",
      ...answer,
    };
  }
}
