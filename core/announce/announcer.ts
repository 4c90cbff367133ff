import type { Clock, Random } from "../base/clock.ts";
import { messageOf, PiezaError } from "../base/errors.ts";
import type {
  Announce,
  Announced,
  AnnouncedTorrent,
  AnnounceEvent,
  FailureReport,
  Lease,
  Tracker,
} from "../ports/tracker.ts";
import { FailureQueue } from "./announce-failures.ts";
import { AnnounceNews, type NewsBatch } from "./announce-news.ts";

/** News of pieces goes out at most this often. A completed download does not wait. */
const PROGRESS_MS = 5_000;
/** The pause before a requested resend, so that a tracker that always asks is not flooded. */
const RESEND_MS = 1_000;
/** The first pause after a failure. It doubles up to the maximum; the actual pause is random below it. */
const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 5_000;
/** Failures are reported at most this often. */
const WARN_MS = 60_000;
/** The deadline of an announce. Saying goodbye has a shorter one. */
const ANSWER_MS = 10_000;
const GOODBYE_MS = 2_000;
/** A tracker that knows this peer and is silent this long may be dead: other ways to it are tried meanwhile. */
const SILENCE_MS = 1_000;
/** How often a leaving peer asks whether it still has pieces that no other peer has. */
const LAST_COPIES_MS = 2_000;

export type CopiesNews = Pick<Announce, "volunteer" | "declined" | "drops">;

/** The state of this peer at one tracker. */
export interface AnnouncerStatus {
  readonly state: "announced" | "failing" | "stopped";
  /** From the last answer. The replicas of one tracker share it. */
  readonly trackerId: string;
  /** The URL under which the tracker names this peer; empty before the first answer. */
  readonly url: string;
  readonly listed: boolean;
  /** Why the last announce failed, or why the peer is not listed; empty otherwise. */
  readonly reason: string;
}

/**
 * Other announcers of this peer. Some may lead to the same tracker, which gives an address to one lease only: two
 * announcers would keep ending each other's lease, so one of them rests.
 */
export interface OtherWays {
  /**
   * Milliseconds to leave the tracker alone because another way to it is in use; 0: do not rest. Called when the
   * tracker has forgotten this peer, says that another peer holds its address, or knows no address of it.
   */
  restMs(reason: "forgotten" | "held" | "unaddressed"): number;
  /** An announce failed or is late: an announcer that rests may be needed. */
  failed(): void;
}

export interface AnnouncerOptions {
  readonly tracker: Tracker;
  readonly clock: Clock;
  readonly random: Random;
  /** This peer's address; called for each `started`. */
  readonly address: () => NonNullable<Announce["address"]>;
  /** Keeps the lease between two runs. If it fails, only the lease is lost. */
  readonly leases: { load(): Promise<Lease | undefined>; save(lease: Lease): Promise<void> };
  /** Called after changes, and for failures at most once a minute. */
  readonly onStatus?: ((status: AnnouncerStatus) => void) | undefined;
  /** Default: none. */
  readonly otherWays?: OtherWays | undefined;
  /** A name that peers near each other share. */
  readonly zone?: string | undefined;
  /** Called before every announce except the last. Default: nothing about copies. */
  readonly copies?: (() => CopiesNews) | undefined;
  /** Called with every answer, before the next announce. */
  readonly onAnswer?: ((answer: Announced) => void) | undefined;
}

/**
 * Keeps one tracker informed about one peer: first all its torrents, then changes, then heartbeats, and everything
 * again when the tracker has forgotten the peer. Tries an absent tracker for ever.
 *
 * Invariant: at most one timer or call is active, and every method ends in `#plan`, which decides the next step from
 * the state alone. Nothing is awaited between reading the state and changing it.
 */
export class Announcer {
  readonly #options: AnnouncerOptions;
  readonly #news = new AnnounceNews();
  readonly #failures = new FailureQueue();
  #phase: "idle" | "loading" | "running" | "draining" | "stopping" | "stopped" = "idle";
  #lease: Lease | undefined;
  /** The tracker has answered to STARTED and has not forgotten the peer since. */
  #started = false;
  #resting = false;
  #drainTold = false;
  #heartbeatAtMs = 0;
  #newsAtMs = 0;
  #retryAtMs = 0;
  #failedTries = 0;
  #warnedAtMs = -Infinity;
  #status: AnnouncerStatus = { state: "stopped", trackerId: "", url: "", listed: false, reason: "" };
  #call: AbortController | undefined;
  #cancelTimer = () => {};
  #cancelGoodbye = () => {};
  readonly #drained = Promise.withResolvers<void>();
  readonly #handedOver = Promise.withResolvers<void>();
  readonly #stopped = Promise.withResolvers<void>();

  constructor(options: AnnouncerOptions) {
    this.#options = options;
  }

  /** The status as last reported. */
  get status(): AnnouncerStatus {
    return this.#status;
  }

  /** The tracker accepted the last announce. */
  get working(): boolean {
    return this.#started && this.#failedTries === 0;
  }

  /** Ends a rest that `otherWays` asked for. */
  wake(): void {
    if (!this.#resting) return;
    this.#resting = false;
    this.#retryAtMs = 0;
    this.#plan();
  }

  /** Starts with the lease of the last run, if there is one. Ignored the second time. */
  start(): void {
    if (this.#phase !== "idle") return;
    this.#phase = "loading";
    this.#options.leases.load().then(
      (lease) => this.#loaded(lease),
      () => this.#loaded(undefined),
    );
  }

  /** This peer joins a torrent, or has other pieces of it. Only torrents passed here are announced. */
  update(torrent: AnnouncedTorrent): void {
    this.#news.update(torrent);
    this.#plan();
  }

  /** The download of a torrent passed to `update` has completed. Announced at once. */
  completed(infoHash: string): void {
    this.#news.complete(infoHash);
    this.#newsAtMs = this.#now();
    this.#plan();
  }

  leave(infoHash: string): void {
    this.#news.leave(infoHash);
    this.#plan();
  }

  /** Reports another peer's fault with the next announce, if that comes soon enough. */
  report(failure: FailureReport): void {
    this.#failures.add(failure, this.#now());
  }

  /** Asks not to be named to new peers. Resolves when the tracker knows, or when the first try has failed. */
  drain(): Promise<void> {
    if (this.#phase === "idle" || this.#phase === "loading" || this.#phase === "running")
      this.#phase = "draining";
    this.#plan();
    return this.#drained.promise;
  }

  /** After `drain`: resolves when staying peers have all pieces of this peer that they can get, or at the end. */
  handedOver(): Promise<void> {
    return this.#handedOver.promise;
  }

  /** Says goodbye, within 2 s, and leaves no timer and no call. */
  stop(): Promise<void> {
    if (this.#phase !== "stopping" && this.#phase !== "stopped") {
      this.#phase = "stopping";
      this.#cancelGoodbye = this.#options.clock.after(GOODBYE_MS, () => this.#end());
      this.#plan();
    }
    return this.#stopped.promise;
  }

  #loaded(lease: Lease | undefined): void {
    if (this.#phase !== "loading") return;
    this.#phase = "running";
    this.#lease = lease;
    this.#plan();
  }

  /** Decides when to announce next, or that the announcer has ended. Nothing else decides that. */
  #plan(): void {
    this.#cancelTimer();
    const waits = this.#phase === "idle" || this.#phase === "loading" || this.#phase === "stopped";
    if (this.#call || waits) return;
    if (!this.#started && this.#phase === "stopping") {
      this.#end();
    } else if (!this.#started && this.#phase === "draining") {
      this.#notDraining();
    } else {
      const inMs = Math.max(0, this.#dueAtMs() - this.#now());
      this.#cancelTimer = this.#options.clock.after(inMs, () => this.#announce());
    }
  }

  #dueAtMs(): number {
    if (this.#phase === "stopping" || (this.#phase === "draining" && !this.#drainTold)) return this.#now();
    const newsAtMs = this.#news.waiting ? this.#newsAtMs : Number.POSITIVE_INFINITY;
    return Math.max(this.#retryAtMs, this.#started ? Math.min(this.#heartbeatAtMs, newsAtMs) : 0);
  }

  #announce(): void {
    const { tracker, clock } = this.#options;
    if (!this.#started) this.#news.again();
    const batch = this.#news.waiting ? this.#news.next() : this.#news.reminder();
    const event = this.#eventOf(batch);
    const call = new AbortController();
    const cancelDeadline = clock.after(ANSWER_MS, () =>
      call.abort(new PiezaError("deadline_exceeded", `${tracker.url} does not answer`)),
    );
    const cancelSilence = this.#started
      ? clock.after(SILENCE_MS, () => this.#options.otherWays?.failed())
      : () => {};
    const announce = this.#announceOf(event, batch);
    this.#call = call;
    // A torrent that joins right after a STARTED without torrents should be found at once.
    const first = !this.#started && batch.torrents.length === 0;
    this.#newsAtMs = this.#now() + (batch.more || first ? 0 : PROGRESS_MS);
    tracker
      .announce(announce, call.signal)
      .finally(() => {
        cancelDeadline();
        cancelSilence();
      })
      .then(
        (answer) => this.#answered(announce, batch, answer),
        (error: unknown) => this.#failed(event, error),
      );
  }

  #announceOf(event: AnnounceEvent, { torrents, left }: NewsBatch): Announce {
    const { address, zone, copies } = this.#options;
    const lease = this.#lease;
    if (event === "stopped") return { event, lease, torrents: [], left: [] };
    const announce = { event, lease, torrents, left, ...copies?.() };
    if (event === "started") return { ...announce, address: address(), zone };
    return { ...announce, failures: this.#failures.next(this.#now()) };
  }

  #eventOf(batch: NewsBatch): AnnounceEvent {
    if (!this.#started) return "started";
    if (this.#phase === "stopping") return "stopped";
    if (this.#phase === "draining" && !this.#drainTold) return "draining";
    if (batch.completed) return "completed";
    return this.#news.waiting ? "progress" : "heartbeat";
  }

  #answered({ event, failures = [] }: Announce, batch: NewsBatch, answer: Announced): void {
    if (this.#ended(event)) return;
    this.#call = undefined;
    this.#failures.told(failures);
    this.#started = true;
    this.#resting = false;
    this.#failedTries = 0;
    this.#retryAtMs = 0;
    this.#heartbeatAtMs = this.#now() + answer.nextAnnounceMs;
    this.#keepLease(answer.lease);
    this.#news.told(batch);
    if (answer.resend.length > 0) {
      this.#news.again(answer.resend);
      this.#newsAtMs = this.#now() + RESEND_MS;
    }
    if (event === "draining") this.#noteDrained();
    if (this.#drainTold) this.#noteLastCopies(answer.lastCopies ?? 0);
    const { trackerId, url, listed, notListedReason } = answer;
    this.#report({ state: "announced", trackerId, url, listed, reason: notListedReason });
    if (url === "") this.#restIfAsked("unaddressed");
    this.#options.onAnswer?.(answer);
    this.#plan();
  }

  #failed(event: AnnounceEvent, error: unknown): void {
    if (this.#ended(event)) return;
    this.#call = undefined;
    const code = error instanceof PiezaError ? error.code : "internal";
    const forgotten = this.#started && code === "not_found";
    if (event === "draining") this.#notDraining();
    if (forgotten || code === "permission_denied" || code === "unauthenticated") {
      this.#started = false;
      this.#lease = undefined;
    }
    const reason = forgotten ? "forgotten" : code === "already_exists" ? "held" : undefined;
    const rests = reason !== undefined && this.#restIfAsked(reason);
    if (!forgotten && !rests) this.#backOff(error);
    this.#plan();
  }

  #restIfAsked(reason: Parameters<OtherWays["restMs"]>[0]): boolean {
    const restMs = this.#phase === "running" ? (this.#options.otherWays?.restMs(reason) ?? 0) : 0;
    if (restMs === 0) return false;
    this.#started = false;
    this.#resting = true;
    this.#retryAtMs = this.#now() + restMs;
    return true;
  }

  #backOff(error: unknown): void {
    const capMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** this.#failedTries++);
    const hintMs = (error instanceof PiezaError && error.retryAfterMs) || 0;
    this.#retryAtMs = this.#now() + Math.max(capMs * this.#options.random(), hintMs);
    this.#report({ ...this.#status, state: "failing", reason: messageOf(error) });
    this.#options.otherWays?.failed();
  }

  #noteDrained(): void {
    this.#drainTold = true;
    this.#drained.resolve();
  }

  /** The tracker does not know that this peer leaves, so it orders no copies of its pieces. */
  #notDraining(): void {
    this.#noteDrained();
    this.#handedOver.resolve();
  }

  #noteLastCopies(count: number): void {
    if (count === 0) this.#handedOver.resolve();
    else this.#heartbeatAtMs = Math.min(this.#heartbeatAtMs, this.#now() + LAST_COPIES_MS);
  }

  #keepLease(lease: Lease): void {
    if (lease.id === this.#lease?.id && lease.secret === this.#lease.secret) return;
    this.#lease = lease;
    // Without a kept lease, a restarted peer waits until this lease has ended: 30 s at most.
    this.#options.leases.save(lease).catch(() => {});
  }

  #report(status: AnnouncerStatus): void {
    const before = this.#status;
    const failing = status.state === "failing";
    if (failing && this.#now() - this.#warnedAtMs < WARN_MS) return;
    if (failing) this.#warnedAtMs = this.#now();
    this.#status = status;
    if (failing || KEYS.some((key) => status[key] !== before[key])) this.#options.onStatus?.(status);
  }

  /** Whether the announcer has ended. It ends with any answer to STOPPED, or with none. */
  #ended(event: AnnounceEvent): boolean {
    if (event === "stopped") this.#end();
    return this.#phase === "stopped";
  }

  #end(): void {
    if (this.#phase === "stopped") return;
    this.#phase = "stopped";
    this.#cancelTimer();
    this.#cancelGoodbye();
    this.#call?.abort(new PiezaError("unavailable", "the announcer was stopped"));
    this.#notDraining();
    this.#stopped.resolve();
    this.#report({ ...this.#status, state: "stopped", reason: "" });
  }

  #now(): number {
    return this.#options.clock.now();
  }
}

const KEYS = ["state", "trackerId", "url", "listed", "reason"] as const;
