import type { Trouble } from "#core/base/errors.ts";
import type { DownloadSnapshot } from "#core/download/snapshot.ts";
import type { CatalogPage, TorrentSummary } from "#core/ports/catalog.ts";
import type { TorrentFile } from "#core/torrent/torrent.ts";
import type { UploadPeerProgress } from "#core/upload/upload.ts";
import type { Renamed } from "./safe-names.ts";
import type { KeptEntry } from "./timeline.ts";
import type { Failure } from "./trouble.ts";

/** Messages between the page and its worker. All are plain data, because they are copied between threads. */

export type NameOrInfoHash = { readonly name: string } | { readonly infoHash: string };

/** Stage of a download outside the engine. While it is "open", the snapshot has the rest. */
export type Stage =
  /** The worker takes the lock, looks for stored pieces and hashes those that need it. */
  | { readonly kind: "opening" }
  /**
   * A legacy torrent has no lengths: two pieces are fetched to learn them. `reason` and `trouble` say what the worker
   * waits for.
   */
  | { readonly kind: "learning"; readonly reason: string; readonly trouble: "no_tracker" | "no_lengths" }
  /** Another tab has the lock. This tab takes over when that tab is closed. */
  | { readonly kind: "elsewhere" }
  /**
   * The download does not fit. `availableBytes` is the free quota of the browser, undefined if it is not known, or
   * the cap of the memory.
   */
  | {
      readonly kind: "too large";
      readonly neededBytes: number;
      readonly availableBytes: number | undefined;
      readonly memory: boolean;
    }
  | { readonly kind: "broken"; readonly reason: string; readonly trouble: Trouble }
  | { readonly kind: "open" };

/** The events of one earlier run of a download. */
export interface EarlierRun {
  /** Unix time by the clock of this machine. */
  readonly startedAtMs: number;
  /** The oldest first. Slots are those of that run. */
  readonly entries: readonly KeptEntry[];
}

/** One download of this tab, as the worker reports it. */
export interface TabDownload {
  readonly torrent: TorrentSummary;
  readonly stage: Stage;
  /** Sorted indexes of the wanted files of a folder; undefined for all. */
  readonly selected: readonly number[] | undefined;
  /** The pieces of these files, as the bytes of a bitfield; undefined for all. */
  readonly wanted: Uint8Array | undefined;
  /** The oldest first. */
  readonly earlier: readonly EarlierRun[];
  /** The browser was given the file to save. The copy kept here stays until the person removes it. */
  readonly handedOver: boolean;
}

/** Where the worker keeps the pieces. */
export interface StorageInfo {
  readonly kind: "disk" | "memory";
  /** Why they are in memory: the page is no secure context, or the browser lacks or denies storage. */
  readonly memoryBecause?: "insecure" | "unsupported";
  /** The largest download that fits into memory; Infinity on disk. */
  readonly capBytes: number;
}

/** A file or folder to publish. `token` is the token of the catalog, if the page has it. */
export interface PublishAsk {
  /** Name of the file or folder in the torrent. */
  readonly fileName: string;
  /** Whether `files` are those of a folder; otherwise it is exactly one file. */
  readonly folder: boolean;
  readonly files: readonly { readonly path: string; readonly file: File }[];
  readonly token?: string;
}

/** Stage of a publication. */
export type PublicationStage =
  | { readonly kind: "hashing"; readonly bytes: number }
  /** The torrent is being put into the catalog. */
  | { readonly kind: "publishing" }
  /** The catalog needs a token. `refused`: the token that it got is wrong. */
  | { readonly kind: "token"; readonly refused: boolean }
  /** The catalog has another torrent of this name. */
  | { readonly kind: "taken"; readonly name: string }
  /** Pieces are sent to peers. `pieces` counts those that at least one peer has. */
  | { readonly kind: "storing"; readonly pieces: number; readonly peers: readonly UploadPeerProgress[] }
  /** The torrent is in the catalog, and every piece is at a peer. */
  | { readonly kind: "shared" }
  /** The torrent is in the catalog, but no peer took some pieces. Without a `failure`, `peers` has the reasons. */
  | {
      readonly kind: "unstored";
      readonly failure: Failure | undefined;
      readonly peers: readonly UploadPeerProgress[];
    }
  | { readonly kind: "broken"; readonly failure: Failure };

/** One publication of this tab, as the worker reports it. */
export interface PublicationRecord {
  /** Unique in this tab. */
  readonly id: number;
  readonly fileName: string;
  /** Bytes. */
  readonly length: number;
  /** 0 for a single file. */
  readonly fileCount: number;
  /** Known after hashing. */
  readonly infoHash?: string;
  readonly totalPieces?: number;
  /** Name in the catalog; empty until the torrent is published or the person chose a name. */
  readonly name: string;
  /** The torrent is in the catalog. */
  readonly published: boolean;
  readonly stage: PublicationStage;
}

/** Replication of a torrent, as its tracker reports it. */
export interface Replication {
  /** Replication target; 0 if no copies are made. */
  readonly target: number;
  /** `underTarget` counts the pieces with fewer copies at peers that stay; `lost` those of them without any copy. */
  readonly underTarget: number;
  readonly lost: number;
  /** Since the start of the tracker. */
  readonly bytesCopied: number;
  /** Copies that are being made now: the peer at `url` gets these ranges of piece numbers from `sources`. */
  readonly repairs: readonly {
    readonly url: string;
    readonly ranges: readonly (readonly [from: number, to: number])[];
    readonly sources: readonly string[];
  }[];
}

/** A swarm, as its tracker reports it. */
export interface SwarmNews {
  readonly infoHash: string;
  readonly peers: readonly {
    readonly url: string;
    readonly heldPieces: number;
    readonly draining: boolean;
    readonly listed: boolean;
    /** Empty if it is not known. */
    readonly zone: string;
    /** Whether the peer is a volunteer, which lends space for copies. */
    readonly volunteer: boolean;
  }[];
  /** Copies of each piece, by index; empty while there is a problem. */
  readonly copies: Uint16Array;
  /** Copies that volunteers are making of each piece, by index; empty if there are none. */
  readonly onTheirWay: Uint16Array;
  readonly replication: Replication;
  /** Why the swarm cannot be watched. */
  readonly problem: Failure | undefined;
}

/** The calls of the page to the worker. Each is answered once, with a value or a failure. */
export interface Calls {
  /** Starts the worker's downloads. Answers with the kind of storage once all kept downloads are listed. */
  start: { ask: { trackers: readonly string[] }; answer: StorageInfo };
  /**
   * Trackers to ask besides those of the torrent or the catalog. Fails with invalid_argument if one is not an HTTP
   * URL.
   */
  trackers: { ask: { trackers: readonly string[] }; answer: undefined };
  list: { ask: { search: string; pageToken: string }; answer: CatalogPage };
  look: { ask: NameOrInfoHash; answer: TorrentSummary };
  /** Opens a torrent that is not in the catalog. `look` and `add` then find it by its info hash. */
  open: { ask: { text: string } | { url: string }; answer: TorrentSummary };
  /** The files of a folder, in the order of the torrent; empty for a single file. */
  files: { ask: NameOrInfoHash; answer: readonly TorrentFile[] };
  /** Starts a download unless it is there already. `selected`: indexes of the wanted files of a folder. */
  add: { ask: NameOrInfoHash & { selected?: readonly number[] | undefined }; answer: TorrentSummary };
  /** Selects the files of a folder, at least one; undefined for all. Pieces of other files are kept. */
  select: { ask: { infoHash: string; selected: readonly number[] | undefined }; answer: undefined };
  pause: { ask: { infoHash: string }; answer: undefined };
  resume: { ask: { infoHash: string }; answer: undefined };
  /** Ends the download and deletes what is stored of it. */
  remove: { ask: { infoHash: string }; answer: undefined };
  /**
   * The finished file, backed by storage and not by memory. Of a folder: the file with this index, or all as a zip,
   * `forWindows` with names that Windows can write.
   */
  file: {
    ask: { infoHash: string; index?: number; forWindows?: boolean };
    answer: { blob: Blob; name: string; renamed?: Renamed | undefined };
  };
  /** The finished files of a folder, backed by storage. Paths have "/" between their parts. */
  folder: { ask: { infoHash: string }; answer: readonly { path: string; blob: Blob }[] };
  /** The browser was given the file to save. */
  handedOver: { ask: { infoHash: string }; answer: undefined };
  /** The browser is online again. */
  wake: { ask: undefined; answer: undefined };
  /** Watches this swarm instead of the one before; undefined for none. */
  watch: { ask: { infoHash: string | undefined }; answer: undefined };
  publish: { ask: PublishAsk; answer: undefined };
  /** Continues a publication that waits for the person, with the person's answer. */
  goOn: { ask: { id: number; token?: string; name?: string; replace?: boolean }; answer: undefined };
  stopPublishing: { ask: { id: number }; answer: undefined };
  /** Removes a torrent from the catalog. */
  unpublish: { ask: { name: string; infoHash: string; token?: string }; answer: undefined };
}

export type CallName = keyof Calls;

export type Handlers<Names extends CallName = CallName> = {
  [K in Names]: (ask: Calls[K]["ask"]) => Promise<Calls[K]["answer"]>;
};

export interface CallMessage<K extends CallName = CallName> {
  readonly id: number;
  readonly call: K;
  readonly ask: Calls[K]["ask"];
}

export type WorkerMessage =
  | { readonly type: "answer"; readonly id: number; readonly answer: unknown }
  | { readonly type: "failure"; readonly id: number; readonly code: string; readonly failure: Failure }
  /** A download is new or its stage changed. */
  | { readonly type: "record"; readonly record: TabDownload }
  /** At most five a second for each download. */
  | { readonly type: "snapshot"; readonly infoHash: string; readonly snapshot: DownloadSnapshot }
  | { readonly type: "removed"; readonly infoHash: string }
  /** The indexes of the pieces that players and other readers of the download are at. */
  | { readonly type: "places"; readonly infoHash: string; readonly places: readonly number[] }
  /** News of the watched swarm, at most two a second. */
  | { readonly type: "swarm"; readonly news: SwarmNews }
  /** A publication is new or made progress; at most ten a second for each. */
  | { readonly type: "publication"; readonly record: PublicationRecord };
