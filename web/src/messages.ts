import type { CatalogPage, TorrentSummary } from "#core/catalog.ts";
import type { DownloadSnapshot } from "#core/snapshot.ts";

/** What the page and its worker say to each other. Plain data: it is copied from one thread to the other. */

export type TorrentKey = { readonly name: string } | { readonly infoHash: string };

/** Where a download stands outside the engine; while it is "open" the snapshot says the rest. */
export type Stage =
  /** Taking its lock, finding what is kept of it and hashing what needs it. */
  | { readonly kind: "opening" }
  /** A torrent of the seed's form says no lengths: two pieces are fetched to learn them. What it waits for, in words. */
  | { readonly kind: "learning"; readonly reason: string }
  /** Another tab has it. It comes over by itself when that tab is closed. */
  | { readonly kind: "elsewhere" }
  /** It does not fit: `availableBytes` is what the browser grants, or the cap of the memory. */
  | { readonly kind: "too large"; readonly availableBytes: number; readonly memory: boolean }
  | { readonly kind: "broken"; readonly reason: string }
  | { readonly kind: "open" };

/** One download as the worker knows it. */
export interface DownloadRecord {
  readonly torrent: TorrentSummary;
  readonly stage: Stage;
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

/** What the page asks of the worker, and what it gets. Each call is answered once, with the value or an error. */
export interface Calls {
  /** Which storage there is. Answered when every kept download is listed. */
  start: { ask: undefined; answer: StorageInfo };
  list: { ask: { search: string; pageToken: string }; answer: CatalogPage };
  look: { ask: TorrentKey; answer: TorrentSummary };
  /** Starts a download, or finds it started. */
  add: { ask: TorrentKey; answer: TorrentSummary };
  pause: { ask: { infoHash: string }; answer: undefined };
  resume: { ask: { infoHash: string }; answer: undefined };
  /** Ends it and deletes what is kept of it. */
  remove: { ask: { infoHash: string }; answer: undefined };
  /** The finished file, backed by the storage and not by memory; a folder comes as a zip. */
  file: { ask: { infoHash: string }; answer: { blob: Blob; name: string } };
  /** The file was handed to the person, who may still be saving it. */
  handedOver: { ask: { infoHash: string }; answer: undefined };
}

export type CallName = keyof Calls;

export interface CallMessage<K extends CallName = CallName> {
  readonly id: number;
  readonly call: K;
  readonly ask: Calls[K]["ask"];
}

export type WorkerMessage =
  | { readonly type: "answer"; readonly id: number; readonly answer: unknown }
  | { readonly type: "failure"; readonly id: number; readonly code: string; readonly message: string }
  /** A download is new or changed its stage. */
  | { readonly type: "record"; readonly record: DownloadRecord }
  /** At most ten a second for each download. */
  | { readonly type: "snapshot"; readonly infoHash: string; readonly snapshot: DownloadSnapshot }
  | { readonly type: "removed"; readonly infoHash: string };
