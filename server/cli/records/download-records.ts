import { createHash } from "node:crypto";
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { messageOf } from "#core/base/errors.ts";
import type { Download } from "#core/download/download.ts";
import type { DownloadAccount } from "#core/download/explain.ts";
import type { DownloadSnapshot, DownloadState } from "#core/download/snapshot.ts";
import { nodeClock } from "../../base/node-clock.ts";
import { replaceFile } from "../../base/replace-file.ts";
import { readTextFile } from "../clients/read-text-file.ts";

/** The file that keeps a download's state for `status` and `explain`, while it runs and afterwards. */
export interface DownloadRecord
  extends Pick<DownloadSnapshot, "state" | "reason" | "totalPieces" | "heldPieces">,
    Pick<DownloadSnapshot, "totalBytes" | "heldBytes" | "downloadedBytes" | "wastedBytes"> {
  readonly version: 1;
  readonly infoHash: string;
  readonly fileName: string;
  /** Absolute path of the finished file or folder; "-" for standard output. */
  readonly target: string;
  /** The id of the downloading process. */
  readonly pid: number;
  /** UTC by the wall clock, as `Date.toISOString` writes it. */
  readonly startedAt: string;
  readonly updatedAt: string;
  readonly trackers: readonly string[];
  readonly account: DownloadAccount;
}

/** Records that are kept; a new download deletes the oldest beyond that. */
const MAX_RECORDS = 200;
/** A piece takes about 50 bytes of a record, and a torrent has at most 131,072 pieces. */
const MAX_RECORD_BYTES = 32 << 20;
const WRITE_EVERY_MS = 2_000;
/** The share of time that may go into writing records; a large record is written less often. */
const WRITE_SHARE = 0.02;

const ENDED: ReadonlySet<DownloadState> = new Set(["complete", "failed", "stopped"]);

export type RecordFacts = Pick<DownloadRecord, "infoHash" | "fileName" | "target" | "trackers">;

/** Writes a download's record every few seconds and at its end. A failed write does not stop the download. */
export class RecordKeeper {
  readonly #folder: string;
  readonly #facts: RecordFacts;
  readonly #download: Pick<Download, "peek" | "explain">;
  readonly #onTrouble: (message: string) => void;
  readonly #startedAt = new Date().toISOString();
  #cancel: (() => void) | undefined;
  #writing: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(
    dataDir: string,
    facts: RecordFacts,
    download: Pick<Download, "peek" | "explain">,
    onTrouble: (message: string) => void,
  ) {
    this.#folder = recordsFolder(dataDir);
    this.#facts = facts;
    this.#download = download;
    this.#onTrouble = onTrouble;
  }

  start(): void {
    this.#writing = this.#prune().then(() => this.#write());
  }

  /** Writes the final state. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#cancel?.();
    await this.#writing;
    await this.#write();
  }

  async #write(): Promise<void> {
    const startedMs = nodeClock.now();
    const { infoHash, target } = this.#facts;
    const key = createHash("sha256").update(target).digest("hex").slice(0, 8);
    const path = join(this.#folder, `${infoHash.slice(0, 16)}-${key}.json`);
    try {
      await mkdir(this.#folder, { recursive: true });
      await replaceFile(path, `${JSON.stringify(this.#record())}\n`);
    } catch (error) {
      this.#onTrouble(`cannot write the record of this download: ${messageOf(error)}`);
    }
    if (this.#stopped) return;
    const pauseMs = Math.max(WRITE_EVERY_MS, (nodeClock.now() - startedMs) / WRITE_SHARE);
    this.#cancel = nodeClock.after(pauseMs, () => {
      this.#writing = this.#write();
    });
  }

  #record(): DownloadRecord {
    const { state, reason, totalPieces, heldPieces, totalBytes, heldBytes, downloadedBytes, wastedBytes } =
      this.#download.peek();
    return {
      version: 1,
      ...this.#facts,
      pid: process.pid,
      startedAt: this.#startedAt,
      updatedAt: new Date().toISOString(),
      ...{ state, reason, totalPieces, heldPieces, totalBytes, heldBytes, downloadedBytes, wastedBytes },
      account: this.#download.explain(),
    };
  }

  async #prune(): Promise<void> {
    const files = await recordFiles(this.#folder);
    for (const { path } of files.slice(MAX_RECORDS - 1)) await rm(path, { force: true }).catch(() => {});
  }
}

/** The record of every download, the newest first. Skips files that are not records. */
export async function readRecords(dataDir: string): Promise<DownloadRecord[]> {
  const records: DownloadRecord[] = [];
  for (const { path } of await recordFiles(recordsFolder(dataDir))) {
    const record = await readRecord(path);
    if (record) records.push(record);
  }
  return records.sort((a, b) => (a.updatedAt < b.updatedAt ? 1 : -1));
}

/** The newest record with this absolute `path`, else with `text` as its file name or the start of its info hash. */
export function recordOf(
  records: readonly DownloadRecord[],
  text: string,
  path: string,
): DownloadRecord | undefined {
  const name = text.replace(/\.json$/i, "");
  const isHash = /^[0-9a-f]{6,64}$/i.test(text);
  return (
    records.find(({ target }) => target === path) ??
    records.find(
      ({ infoHash, fileName, target }) =>
        [fileName, basename(target)].includes(name) || (isHash && infoHash.startsWith(text.toLowerCase())),
    )
  );
}

export type LiveState = DownloadState | "interrupted";

/** The recorded state, or "interrupted" if the process ended without recording its end. */
export function stateNow({ state, pid }: DownloadRecord): LiveState {
  return ENDED.has(state) || isAlive(pid) ? state : "interrupted";
}

/** The fields of a record that `status --json` and `explain --json` share. */
export function recordFields(record: DownloadRecord) {
  return {
    info_hash: record.infoHash,
    file_name: record.fileName,
    file: record.target,
    state: stateNow(record),
    reason: record.reason,
    started_at: record.startedAt,
    updated_at: record.updatedAt,
    total_bytes: record.totalBytes,
    held_bytes: record.heldBytes,
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function recordsFolder(dataDir: string): string {
  return join(dataDir, "downloads");
}

/** The paths of the records and when each was written, the newest first. */
async function recordFiles(folder: string): Promise<{ path: string; changedMs: number }[]> {
  const names = await readdir(folder).catch(() => []);
  const files: { path: string; changedMs: number }[] = [];
  for (const name of names.filter((entry) => entry.endsWith(".json"))) {
    const path = join(folder, name);
    const facts = await stat(path).catch(() => undefined);
    if (facts) files.push({ path, changedMs: facts.mtimeMs });
  }
  return files.sort((a, b) => b.changedMs - a.changedMs);
}

async function readRecord(path: string): Promise<DownloadRecord | undefined> {
  try {
    const record = JSON.parse(await readTextFile(path, MAX_RECORD_BYTES)) as Partial<DownloadRecord>;
    return record.version === 1 && record.account !== undefined ? (record as DownloadRecord) : undefined;
  } catch {
    return undefined;
  }
}
