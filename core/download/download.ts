import type { Bitfield } from "../base/bitfield.ts";
import { locateQuery, type SwarmTable } from "../ports/tracker.ts";
import type { PieceIndex } from "../torrent/piece.ts";
import type { Torrent } from "../torrent/torrent.ts";
import { Assigner, type Assignment } from "./assigner.ts";
import { creditLearned } from "./credit-learned.ts";
import type { DownloadEvent } from "./download-event.ts";
import type { DownloadInput } from "./download-input.ts";
import {
  CancelledRequest,
  type DownloadPeer,
  type EndedWithout,
  type PieceRequest,
} from "./download-peer.ts";
import { DownloadView } from "./download-view.ts";
import { Account, type Doing, type DownloadAccount } from "./explain.ts";
import { Focus, type FocusRange, needless } from "./focus.ts";
import { locateLoop } from "./locate-loop.ts";
import { newRequest } from "./new-request.ts";
import { type DownloadOptions, resolveDownloadOptions } from "./options.ts";
import { PiecePicker } from "./picker.ts";
import { reactionTo } from "./reaction.ts";
import type { DownloadSnapshot } from "./snapshot.ts";
import { unlessStalled } from "./stall.ts";
import { Swarm } from "./swarm.ts";

/** How often back-offs, overdue requests and rates are checked. */
const TICK_MS = 250;

/**
 * Downloads one torrent into one store, and owns all state about that.
 *
 * Everything that happens is an event, handled synchronously by `#handle`. Workers await and post events back, so no
 * await stands between reading and changing state. A request is in its peer's `requests` exactly while the picker
 * counts that peer among the piece's requesters.
 */
export class Download {
  readonly torrent: Torrent;
  /** Resolves with the last snapshot when the download is complete, failed or stopped. */
  readonly whenDone: Promise<DownloadSnapshot>;
  readonly #input: DownloadInput;
  readonly #options: Required<DownloadOptions>;
  readonly #picker: PiecePicker;
  readonly #view: DownloadView;
  readonly #swarm: Swarm;
  readonly #account: Account;
  readonly #stop = new AbortController();
  readonly #workers = new Set<Promise<void>>();
  readonly #assigner: Assigner;
  readonly #focus = new Focus();
  #wanted: Bitfield | undefined;
  #cancelTick = () => {};
  #endedMs: number | undefined;

  constructor(input: DownloadInput) {
    this.#input = input;
    this.torrent = input.torrent;
    this.#options = resolveDownloadOptions(input.options);
    const { random, store, clock, wanted, connect, isSelf } = input;
    const picker = new PiecePicker(store.held, { random, sequential: this.#options.sequential, wanted });
    this.#picker = picker;
    this.#wanted = wanted;
    const shared = { picker, clock, options: this.#options };
    this.#swarm = new Swarm({ ...shared, connect, isSelf, random });
    const onRoom = () => this.#handle({ type: "room" });
    const rest = { geometry: store.geometry, limit: input.limit, onRoom };
    this.#assigner = new Assigner({ ...shared, swarm: this.#swarm, ...rest });
    const [first] = input.learned?.values() ?? [];
    const startedMs = first?.askedAtMs ?? clock.now();
    this.#view = new DownloadView({
      store,
      wanted,
      clock,
      peers: this.#swarm.peers,
      snapshotMs: this.#options.snapshotMs,
      startedMs,
    });
    this.#account = new Account(startedMs, this.#swarm.peers, store.held, store.geometry.count);
    creditLearned(input, { swarm: this.#swarm, view: this.#view, account: this.#account });
    this.whenDone = this.#view.whenEnded;
  }

  /** The error of a failed download. */
  get failure(): unknown {
    return this.#view.failure;
  }

  peek(): DownloadSnapshot {
    return this.#view.peek();
  }

  /** The account so far: what each peer served or failed to serve, and what took the time. */
  explain(): DownloadAccount {
    return this.#account.take(this.#endedMs ?? this.#input.clock.now());
  }

  /** Calls `fn` after changes, at most every `snapshotMs`, and at the end. Returns a function that stops that. */
  subscribe(fn: () => void): () => void {
    return this.#view.subscribe(fn);
  }

  /** Starts the download. Ignored the second time. */
  start(): void {
    if (this.#view.phase !== "new") return;
    this.#view.phase = "running";
    const { torrent, trackers, clock, random } = this.#input;
    const onTable = (table: SwarmTable) => this.#handle({ type: "located", table });
    const isIdle = () => this.#assigner.idle && this.#view.phase !== "paused";
    const onFailure = (reason: string) => this.#handle({ type: "trackerFailed", reason });
    const asked = { trackers, swarm: locateQuery(torrent), clock, random, onTable, onFailure, isIdle };
    if (!this.#finishIfDone()) this.#work(locateLoop(asked, this.#stop.signal));
    this.#tick();
  }

  /** Requests no piece from this index on: for a store that cannot keep pieces far ahead. Goes with `sequential`. */
  askBelow(horizon: number): void {
    this.#picker.pickBelow(horizon);
    this.#handle({ type: "room" });
  }

  /** Gets exactly these pieces from now on. Returns false if it is too late: ended, or finishing with all pieces. */
  want(wanted: Bitfield): boolean {
    if (this.#view.ended || this.#isDone) return false;
    this.#wanted = wanted;
    for (const request of this.#swarm.requests()) if (!wanted.has(request.index)) this.#cancel(request);
    this.#picker.want(wanted, this.#input.store.held);
    this.#view.want(wanted);
    this.#finishIfDone();
    this.#advance();
    return true;
  }

  /** Gets the pieces that a reader needs before all others, wanted or not, until called again with undefined. */
  focus(reader: object, range: FocusRange | undefined): void {
    if (this.#view.ended) return;
    const { held, geometry } = this.#input.store;
    const pieces = this.#focus.move(reader, range, held);
    for (const request of needless(this.#swarm.requests(), pieces, this.#wanted, geometry))
      this.#cancel(request);
    this.#picker.focus(pieces);
    this.#advance();
  }

  /** Call it when the store does not hold a piece any more. */
  lost(index: PieceIndex): void {
    this.#picker.onLost(index);
    this.#view.onLost(index);
  }

  /** Drops the requests under way and makes none but those that readers wait for, until `resume`. */
  pause(): void {
    if (this.#view.phase !== "running") return;
    this.#view.phase = "paused";
    for (const request of this.#swarm.requests()) this.#cancel(request);
    this.#advance();
  }

  resume(): void {
    if (this.#view.phase !== "paused") return;
    this.#view.phase = "running";
    this.#advance();
  }

  /** Ends the pauses of all peers, because something outside has changed, such as the network. */
  wake(): void {
    if (this.#view.ended) return;
    this.#swarm.wake();
    this.#advance();
  }

  /** Ends everything. Resolves when nothing is running any more. The caller closes the store. */
  async stop(): Promise<void> {
    this.#end("stopped");
    while (this.#workers.size > 0) await Promise.allSettled(this.#workers);
  }

  #handle(event: DownloadEvent): void {
    if (this.#view.ended) return;
    const now = this.#input.clock.now();
    switch (event.type) {
      case "located":
        this.#view.located = true;
        this.#view.trackerProblem = undefined;
        this.#account.badUrls = Math.max(this.#account.badUrls, event.table.badUrls ?? 0);
        this.#view.badUrls = this.#account.badUrls;
        this.#swarm.onTable(event.table);
        this.#account.onMet(now);
        break;
      case "trackerFailed":
        this.#swarm.onNoTable();
        this.#view.trackerProblem = event.reason;
        this.#account.trackerProblem = event.reason;
        break;
      case "bitfield":
        this.#swarm.onBitfield(event.peer, event.has);
        this.#account.onAnswered(event.peer, now);
        break;
      case "pollFailed":
        event.peer.polling = false;
        this.#swarm.backOff(event.peer, event.error);
        this.#account.onFailed(event.peer, undefined, event.error, now);
        break;
      case "held":
        this.#onHeld(event.request);
        break;
      case "requestFailed":
        this.#onRequestFailed(event.request, event.error);
        break;
      case "finished":
        this.#end("complete");
        break;
      case "failed":
        this.#fail(event.error);
        break;
      case "tick":
        this.#swarm.markProgress(now);
        this.#assigner.breadth.step(this.#swarm.peers, now);
        break;
      case "room":
        break;
    }
    if (!this.#view.ended) this.#advance();
  }

  /** Makes the requests that the state allows now. */
  #advance(): void {
    const isPaused = this.#view.phase === "paused";
    // Readers get what they wait for even from a paused download.
    if ((this.#view.phase === "running" || (isPaused && !this.#focus.isEmpty)) && !this.#picker.done) {
      for (const peer of this.#swarm.revive(this.#assigner.idle)) this.#poll(peer);
      for (const assignment of this.#assigner.assignments(isPaused)) this.#request(assignment);
      this.#view.heldBack = this.#assigner.heldBack !== undefined;
    }
    this.#changed();
  }

  #changed(): void {
    this.#account.spend(this.#doing(), this.#input.clock.now());
    this.#view.changed();
  }

  #doing(): Doing {
    if (this.#isDone) return "finishing";
    if (this.#assigner.inFlightBytes > 0) return "downloading";
    if (this.#view.phase === "paused" || this.#picker.done) return "paused";
    if (this.#assigner.heldBack) return this.#assigner.heldBack;
    return !this.#view.located ? "tracker" : this.#swarm.connecting ? "connecting" : "waiting";
  }

  #tick(): void {
    if (this.#view.ended) return;
    this.#cancelTick = this.#input.clock.after(TICK_MS, () => {
      this.#handle({ type: "tick" });
      this.#tick();
    });
  }

  #poll(peer: DownloadPeer): void {
    const { remote } = peer;
    if (!remote) return;
    peer.polling = true;
    this.#work(
      remote.getBitfield(this.#stop.signal).then(
        (has) => this.#handle({ type: "bitfield", peer, has }),
        (error: unknown) => this.#handle({ type: "pollFailed", peer, error }),
      ),
    );
  }

  #request({ peer, index, others, replaces }: Assignment): void {
    if (replaces) this.#giveUp(replaces);
    const request = newRequest(this.#input, peer, index, this.#picker.requesters(index) === 0);
    peer.onRequested(request);
    this.#account.onRequested(request, others);
    this.#picker.onRequested(peer.slot, index);
    this.#assigner.inFlightBytes += this.#input.store.geometry.lengthOf(index);
    this.#view.onRequested(index, peer.slot);
    this.#work(this.#fetch(request));
  }

  async #fetch(request: PieceRequest): Promise<void> {
    const { peer, index, receiver, abort } = request;
    try {
      const getting = peer.remote!.getPiece(index, receiver, abort.signal);
      await unlessStalled(getting, () => receiver.arrivedBytes, this.#input.clock, abort);
      if (await receiver.finish(() => this.#claim(request))) this.#handle({ type: "held", request });
    } catch (error) {
      this.#handle({ type: "requestFailed", request, error });
    }
  }

  /** The first request whose piece is whole and right may store it; the other requests for it are cancelled. */
  #claim(request: PieceRequest): boolean {
    if (this.#view.ended || request.peer.requests.get(request.index) !== request) return false;
    this.#cancelOthers(request);
    return true;
  }

  #cancelOthers(request: PieceRequest): void {
    for (const peer of this.#swarm.peers) {
      const other = peer.requests.get(request.index);
      if (other && other !== request) this.#giveUp(other);
    }
  }

  /** Another peer was quicker, or is to be. */
  #giveUp(request: PieceRequest): void {
    this.#account.onOvertaken(request.peer, this.#input.clock.now());
    this.#cancel(request);
  }

  #onHeld(request: PieceRequest): void {
    const { peer, index } = request;
    const bytes = this.#input.store.geometry.lengthOf(index);
    // If the download was paused or the peer banned meanwhile, the piece is in the store all the same. A later
    // request for it is not needed, or was even faster.
    if (this.#picker.isOver(index)) return;
    if (peer.requests.get(index) === request) {
      peer.onServed(request, this.#input.clock.now(), bytes);
      this.#assigner.onEnded(bytes, bytes);
    }
    this.#cancelOthers(request);
    this.#account.onHeld(request, this.#input.clock.now());
    this.#picker.onHeld(index);
    this.#view.onHeld(index, peer.slot, bytes);
    this.#input.onHeld?.(index);
    this.#finishIfDone();
  }

  #onRequestFailed(request: PieceRequest, error: unknown): void {
    const { peer, index } = request;
    if (peer.requests.get(index) !== request) return;
    this.#cancel(request, "failed");
    const { kind, because } = reactionTo(error, peer.legacy);
    if (kind === "fail") this.#fail(because);
    else if (kind === "lacks") this.#swarm.onLacks(peer, index, because);
    else if (kind === "back off") this.#swarm.backOff(peer, because);
    else {
      for (const other of [...peer.requests.values()]) this.#cancel(other);
      this.#swarm.exclude(peer, kind, because);
    }
    this.#account.onFailed(peer, index, error, this.#input.clock.now());
  }

  /** Ends a request without its piece, and removes it from every book. */
  #cancel(request: PieceRequest, how: EndedWithout = "given up"): void {
    const { peer, index, receiver } = request;
    const { store, limit, clock } = this.#input;
    const bytes = store.geometry.lengthOf(index);
    const arrived = receiver.arrivedBytes;
    this.#view.wastedBytes += arrived;
    limit?.giveBack(Math.max(0, bytes - arrived));
    receiver.close();
    peer.onEndedWithout(request, clock.now(), how);
    this.#assigner.onEnded(bytes, arrived);
    // The piece may be stored all the same: then an event is about to say so.
    if (!store.held.has(index)) {
      this.#picker.onFailed(peer.slot, index);
      if (this.#picker.requesters(index) === 0) store.drop?.(index);
      this.#view.onUnrequested(index, this.#swarm.requesterOf(index)?.slot);
    }
    request.abort.abort(new CancelledRequest(`piece ${index + 1} is not needed from ${peer.url}`));
  }

  get #isDone(): boolean {
    return this.#picker.done && !this.#input.openEnded;
  }

  #finishIfDone(): boolean {
    if (!this.#isDone) return false;
    this.#work(
      this.#input.store.finish().then(
        () => this.#handle({ type: "finished" }),
        (error: unknown) => this.#handle({ type: "failed", error }),
      ),
    );
    return true;
  }

  #fail(error: unknown): void {
    this.#view.failure = error;
    this.#end("failed");
  }

  #end(phase: "complete" | "failed" | "stopped"): void {
    if (this.#view.ended) return;
    this.#endedMs = this.#input.clock.now();
    this.#cancelTick();
    this.#assigner.stop();
    for (const request of this.#swarm.requests()) this.#cancel(request);
    for (const peer of this.#swarm.peers) peer.remote?.close();
    this.#stop.abort(new CancelledRequest(`the download is ${phase}`));
    this.#view.end(phase);
  }

  #work(worker: Promise<void>): void {
    const tracked = worker.finally(() => this.#workers.delete(tracked));
    this.#workers.add(tracked);
  }
}
