import type { Trouble } from "#core/base/errors.ts";
import type { DownloadSnapshot } from "#core/download/snapshot.ts";
import type { CatalogPage, TorrentSummary } from "#core/ports/catalog.ts";
import type { TorrentFile } from "#core/torrent/torrent.ts";
import type { UploadPeerProgress } from "#core/upload/upload.ts";
import type { KeptEntry } from "./timeline.ts";
import type { Failure } from "./trouble.ts";

/** What the page and its worker say to each other. Plain data: it is copied from one thread to the other. */

export type NameOrInfoHash = { readonly name: string } | { readonly infoHash: string };

/** Where a download stands outside the engine; while it is "open" the snapshot says the rest. */
export type Stage =
  /** Taking its lock, finding what is kept of it and hashing what needs it. */
  | { readonly kind: "opening" }
  /**
   * A torrent of the seed's form says no lengths: two pieces are fetched to learn them. What it waits for, in words and as
   * what they come down to.
   */
  | { readonly kind: "learning"; readonly reason: string; readonly trouble: "no_tracker" | "no_lengths" }
  /** Another tab has it. It comes over by itself when that tab is closed. */
  | { readonly kind: "elsewhere" }
  /** It does not fit: `availableBytes` is what the browser grants, if it says so, or the cap of the memory. */
  | {
      readonly kind: "too large";
      readonly neededBytes: number;
      readonly availableBytes: number | undefined;
      readonly memory: boolean;
    }
  | { readonly kind: "broken"; readonly reason: string; readonly trouble: Trouble }
  | { readonly kind: "open" };

/** What happened the last times that a download ran. */
export interface EarlierRun {
  /** By the clock of this machine, since 1970. */
  readonly startedAtMs: number;
  /** The oldest first. Slots are those of that run. */
  readonly entries: readonly KeptEntry[];
}

/** One download as the worker knows it. */
export interface TabDownload {
  readonly torrent: TorrentSummary;
  readonly stage: Stage;
  /** Of a folder, the files that are wanted, as indexes in order; undefined: all. */
  readonly selected: readonly number[] | undefined;
  /** The pieces that these touch, as a bitfield's bytes; undefined: all. */
  readonly wanted: Uint8Array | undefined;
  /** The oldest first. */
  readonly earlier: readonly EarlierRun[];
  /** The person has been given the file; the copy kept here goes at the next start. */
  readonly handedOver: boolean;
}

/** Where the worker keeps the bytes. */
export interface StorageInfo {
  readonly kind: "disk" | "memory";
  /** Why not on disk: the page is not a secure context, or the browser lacks or denies the storage. */
  readonly memoryBecause?: "insecure" | "unsupported";
  /** Largest download that memory takes; Infinity on disk. */
  readonly capBytes: number;
}

/** A file or folder to publish. `token` is the catalog's, where the page has it. */
export interface PublishAsk {
  /** What the torrent's file or folder is called. */
  readonly fileName: string;
  /** `files` are those of a folder, else exactly one. */
  readonly folder: boolean;
  readonly files: readonly { readonly path: string; readonly file: File }[];
  readonly token?: string;
}

/** Where a publication stands. */
export type PublicationStage =
  | { readonly kind: "hashing"; readonly bytes: number }
  /** On its way into the catalog. */
  | { readonly kind: "publishing" }
  /** The catalog wants its token; `refused`: the one it was given is another. */
  | { readonly kind: "token"; readonly refused: boolean }
  /** The name belongs to another torrent. */
  | { readonly kind: "taken"; readonly name: string }
  /** Its pieces go to peers; `pieces` of them are at one at least. */
  | { readonly kind: "storing"; readonly pieces: number; readonly peers: readonly UploadPeerProgress[] }
  /** In the catalog, and every piece is at a peer. */
  | { readonly kind: "shared" }
  /** In the catalog, but pieces are left that no peer took. Without a `failure` it is what `peers` say. */
  | {
      readonly kind: "unstored";
      readonly failure: Failure | undefined;
      readonly peers: readonly UploadPeerProgress[];
    }
  | { readonly kind: "broken"; readonly failure: Failure };

/** One publication as the worker knows it. */
export interface PublicationRecord {
  /** In this tab. */
  readonly id: number;
  readonly fileName: string;
  /** Bytes. */
  readonly length: number;
  /** 0 for a single file. */
  readonly fileCount: number;
  /** Once everything is hashed. */
  readonly infoHash?: string;
  readonly totalPieces?: number;
  /** In the catalog; empty until it is there, unless the person chose it. */
  readonly name: string;
  /** It is in the catalog. */
  readonly published: boolean;
  readonly stage: PublicationStage;
}

/** How far the copies of a torrent are from what it asks for. */
export interface Replication {
  /** Copies wanted of every piece; 0: none is made. */
  readonly target: number;
  /** Pieces with fewer copies at peers that stay, and among them those that nobody has. */
  readonly underTarget: number;
  readonly lost: number;
  /** Since the tracker's start. */
  readonly bytesCopied: number;
  /** Who copies now: numbers of pieces from and to, and from whom. */
  readonly repairs: readonly {
    readonly url: string;
    readonly ranges: readonly (readonly [from: number, to: number])[];
    readonly sources: readonly string[];
  }[];
}

/** A swarm as its tracker shows it. */
export interface SwarmNews {
  readonly infoHash: string;
  readonly peers: readonly {
    readonly url: string;
    readonly heldPieces: number;
    readonly draining: boolean;
    readonly listed: boolean;
    /** Empty: not known. */
    readonly zone: string;
    /** It lends space for copies. */
    readonly volunteer: boolean;
  }[];
  /** Of each piece, by index; empty while there is a problem. */
  readonly copies: Uint16Array;
  /** Of each piece, the copies that volunteers are making now; empty where there are none. */
  readonly onTheirWay: Uint16Array;
  readonly replication: Replication;
  /** Why there is no news, in words. */
  readonly problem: Failure | undefined;
}

/** What the page asks of the worker, and what it gets. Each call is answered once, with the value or an error. */
export interface Calls {
  /** Which storage there is. Answered when every kept download is listed. */
  start: { ask: { trackers: readonly string[] }; answer: StorageInfo };
  /** Trackers to ask besides the torrent's or the catalog's. Fails with invalid_argument for what is no URL of one. */
  trackers: { ask: { trackers: readonly string[] }; answer: undefined };
  list: { ask: { search: string; pageToken: string }; answer: CatalogPage };
  look: { ask: NameOrInfoHash; answer: TorrentSummary };
  /** A torrent from elsewhere than the catalog; `look` and `add` find it by its info hash from now on. */
  open: { ask: { text: string } | { url: string }; answer: TorrentSummary };
  /** The files of a folder, in the torrent's order; empty for a single file. */
  files: { ask: NameOrInfoHash; answer: readonly TorrentFile[] };
  /** Starts a download, or finds it started. `selected`: of these files alone, as indexes. */
  add: { ask: NameOrInfoHash & { selected?: readonly number[] | undefined }; answer: TorrentSummary };
  /** From now on these files are wanted, at least one; undefined: all. What is held of others stays. */
  select: { ask: { infoHash: string; selected: readonly number[] | undefined }; answer: undefined };
  pause: { ask: { infoHash: string }; answer: undefined };
  resume: { ask: { infoHash: string }; answer: undefined };
  /** Ends it and deletes what is kept of it. */
  remove: { ask: { infoHash: string }; answer: undefined };
  /** The finished file, backed by the storage and not by memory; of a folder, one file by its index, or all as a zip. */
  file: { ask: { infoHash: string; index?: number }; answer: { blob: Blob; name: string } };
  /** The finished files of a folder, likewise; paths have "/" between their parts. */
  folder: { ask: { infoHash: string }; answer: readonly { path: string; blob: Blob }[] };
  /** The file was handed to the person, who may still be saving it. */
  handedOver: { ask: { infoHash: string }; answer: undefined };
  /** The network is back. */
  wake: { ask: undefined; answer: undefined };
  /** Watches one swarm instead of the one before, or none. */
  watch: { ask: { infoHash: string | undefined }; answer: undefined };
  publish: { ask: PublishAsk; answer: undefined };
  /** Goes on after a stage that waits for the person, with what they said. */
  goOn: { ask: { id: number; token?: string; name?: string; replace?: boolean }; answer: undefined };
  stopPublishing: { ask: { id: number }; answer: undefined };
  /** Takes a torrent out of the catalog. */
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
  /** A download is new or changed its stage. */
  | { readonly type: "record"; readonly record: TabDownload }
  /** At most ten a second for each download. */
  | { readonly type: "snapshot"; readonly infoHash: string; readonly snapshot: DownloadSnapshot }
  | { readonly type: "removed"; readonly infoHash: string }
  /** Of the swarm that is watched, at most two a second. */
  | { readonly type: "swarm"; readonly news: SwarmNews }
  /** A publication is new or got on; at most ten a second for each. */
  | { readonly type: "publication"; readonly record: PublicationRecord };
