import { basename } from "node:path";
import { Bitfield } from "#core/base/bitfield.ts";
import type { Random } from "#core/base/clock.ts";
import { PiezaError, StoreFailed } from "#core/base/errors.ts";
import type { JournalState } from "#core/ports/journal.ts";
import type { PieceGeometry } from "#core/torrent/piece.ts";
import { piecesOfFiles } from "#core/torrent/selection.ts";
import { type Disk, diskThroughLinks, storeFailed } from "./disk.ts";
import { FileMap } from "./file-map.ts";
import { JournalFile } from "./journal.ts";
import { type Lock, takeLock } from "./lock.ts";
import { PartFiles } from "./part-files.ts";
import { findRight, type PieceCheck, readRight } from "./piece-check.ts";
import { checkNamesOnWindows, checkNoDevice, checkReplaceable } from "./replaceable.ts";
import { resume } from "./resume.ts";
import { reuse } from "./reuse.ts";
import type { StorePaths } from "./store-paths.ts";

/** The opened working files of a download. */
export interface Work {
  readonly files: PartFiles;
  readonly lock: Lock;
  /** Undefined if the target is already complete. */
  readonly journal: JournalFile | undefined;
  /** Of the working file or folder; undefined if the target is already complete. */
  readonly identity: string | undefined;
  readonly held: readonly number[];
  /** Pieces of `held` that may not have reached the disk. */
  readonly unsynced: number[];
  /** Pieces of `held` that this run found outside the working files of an earlier run. */
  readonly reused: readonly number[];
}

export interface WorkOptions extends PieceCheck {
  /**
   * Whether to replace a file that has the target's name. In a target folder, the torrent's own files are replaced and
   * all others stay. Default false.
   */
  readonly replace?: boolean | undefined;
  /**
   * For a folder, the indices of the files that `finish` moves to their places in the target. All other data stays in
   * the working files, and a later store for the rest continues from there. Default: all files.
   */
  readonly select?: readonly number[] | undefined;
  /**
   * Paths of files, or for a folder's torrent of folders, that may have pieces of this torrent at the same places.
   * They are only read. The target and the working files are looked at without being named.
   */
  readonly reuse?: readonly string[] | undefined;
  /** Whether the names of files have to be possible on Windows. Default: on Windows. */
  readonly onWindows?: boolean | undefined;
  /** Chooses the durable pieces that are hashed again at the start. Default Math.random. */
  readonly random?: Random | undefined;
}

interface Job extends WorkOptions {
  readonly neededBytes: number;
}

/** The pieces of the files that are wanted. */
export function wantedPieces({ torrent, geometry, select }: WorkOptions): Bitfield {
  if (!select || !torrent.files) return Bitfield.full(geometry.count);
  return piecesOfFiles(torrent.files, select, geometry);
}

/** Takes the lock and finds out where the last run stopped: before the start, half way, or during the clean-up. */
export async function openWork(job: Job, paths: StorePaths, disk: Disk): Promise<Work> {
  if (job.onWindows ?? process.platform === "win32") checkNamesOnWindows(job.torrent, job.select);
  const lock = takeLock(paths.lock, basename(paths.target));
  try {
    const opened = (await openFinished(job, paths, disk)) ?? (await openPart(job, paths, disk));
    return { ...opened, lock };
  } catch (error) {
    lock.release();
    job.signal?.throwIfAborted();
    throw error instanceof PiezaError ? error : storeFailed("opening the download", error);
  }
}

type Opened = Omit<Work, "lock">;

/**
 * Opens the target itself if it is this torrent and complete: from an earlier run, or from a run that stopped between
 * naming it and cleaning up. Undefined if pieces are missing.
 */
async function openFinished(job: Job, paths: StorePaths, disk: Disk): Promise<Opened | undefined> {
  const target = disk.look(paths.target);
  if (!target) return undefined;
  checkNoDevice(paths.target, target);
  const files = readFiles(job, paths.target, disk);
  try {
    if (await holdsAll(job, files)) {
      for (const leftover of [paths.part, paths.journal]) disk.remove(leftover);
      const held = [...job.geometry.indices()];
      return { files, journal: undefined, identity: undefined, held, unsynced: [], reused: [] };
    }
  } catch (error) {
    await files.close();
    throw error;
  }
  await files.close();
  if (job.replace) checkReplaceable(job.torrent, job.select, paths.target, disk);
  else if (!hasPlaced(job, paths, disk))
    throw new PiezaError("already_exists", `${basename(paths.target)} exists already`);
  return undefined;
}

function readFiles({ torrent, geometry }: Job, root: string, disk: Disk): PartFiles {
  return new PartFiles(disk, root, new FileMap(torrent.files, geometry.length), "read");
}

/** Whether an earlier run for some of the files has moved those to their places in the target. */
function hasPlaced(job: Job, paths: StorePaths, disk: Disk): boolean {
  if (!job.torrent.files || !disk.look(paths.part)) return false;
  const files = readFiles(job, paths.part, disk);
  files.findPlaced(paths.target);
  return files.placed.size > 0;
}

interface OldWork {
  readonly journal: JournalFile;
  readonly state: JournalState;
}

/** The work of an earlier run. Undefined if there is none; what cannot be gone on with is then removed. */
async function openOld(
  { torrent, geometry }: Job,
  paths: StorePaths,
  disk: Disk,
): Promise<OldWork | undefined> {
  const part = disk.look(paths.part);
  const isPart = part?.kind === (torrent.files ? "folder" : "file");
  const old = await JournalFile.open(disk, paths.journal, torrent.infoHash, geometry);
  if (old && part) return old;
  old?.journal.close();
  disk.remove(paths.journal);
  if (!isPart) disk.remove(paths.part);
  return undefined;
}

async function openPart(job: Job, paths: StorePaths, disk: Disk): Promise<Opened> {
  const { torrent, geometry } = job;
  const old = await openOld(job, paths, disk);
  const files = new PartFiles(disk, paths.part, new FileMap(torrent.files, geometry.length), "update");
  let journal = old?.journal;
  try {
    const recorded = filesOf(files.map, geometry, old?.state.pieces.keys() ?? []);
    const needed = job.select
      ? new Set([...job.select, ...filesOf(files.map, geometry, wantedPieces(job)), ...recorded])
      : new Set(files.map.files.keys());
    const inPlace = torrent.files
      ? await findPlaced(job, files, paths, needed, old?.state)
      : new Set<number>();
    const allocatedBytes = files.allocatedBytes();
    checkSpace(job.neededBytes - allocatedBytes, paths, disk);
    const intact = files.prepare(needed, recorded);
    journal ??= await JournalFile.create(disk, paths.journal, torrent.infoHash, geometry);
    // The names that an earlier run gave may not have reached the disk.
    await files.syncFolders();
    await disk.syncFolder(paths.folder);
    const { held, unsynced } = await heldBefore(job, files, journal, old?.state, intact);
    const missing = Bitfield.of(geometry.count, [...wantedPieces(job), ...inPlace]);
    for (const index of held) missing.clear(index);
    // Without a journal it is unknown what the working files have.
    const own = old || allocatedBytes === 0 ? [] : [files];
    const reused = await reuseFiles(job, paths, disk, { missing, inPlace, files, journal, own });
    return {
      files,
      journal,
      identity: disk.look(paths.part)?.identity,
      held: [...held, ...reused],
      unsynced: [...unsynced, ...reused],
      reused,
    };
  } catch (error) {
    await files.close();
    journal?.close();
    throw error;
  }
}

/** The pieces that the journal of an earlier run names and that are there. */
async function heldBefore(
  job: Job,
  files: PartFiles,
  journal: JournalFile,
  state: JournalState | undefined,
  intact: boolean,
): Promise<{ held: number[]; unsynced: number[] }> {
  if (!state) return { held: [], unsynced: [] };
  const { geometry } = job;
  const check = (index: number) => holds(job, files, index);
  const { held, unsynced, lost } = await resume(state, intact, check, job.random ?? Math.random);
  await recordLost(journal, lost);
  for (const piece of unsynced.map((n) => geometry.index(n))) {
    files.markUnsynced(geometry.offset(piece), geometry.lengthOf(piece));
  }
  return { held, unsynced };
}

interface ReuseJob {
  readonly missing: Bitfield;
  readonly inPlace: ReadonlySet<number>;
  readonly files: PartFiles;
  readonly journal: JournalFile;
  /** The working files themselves, if they may have pieces that no journal names. */
  readonly own: readonly PartFiles[];
}

/** Takes missing pieces from the target and from the files that the caller named. */
async function reuseFiles(
  job: Job,
  paths: StorePaths,
  disk: Disk,
  { own, ...work }: ReuseJob,
): Promise<number[]> {
  const target = disk.look(paths.target) ? [readFiles(job, paths.target, disk)] : [];
  const named = (job.reuse ?? []).map((path) => readFiles(job, path, diskThroughLinks));
  try {
    return await reuse(job, { ...work, sources: [...own, ...target, ...named] });
  } finally {
    for (const source of [...target, ...named]) await source.close();
  }
}

/**
 * Checks the files in their final place, which their owner may have changed. A file counts if all of its pieces are
 * right, and is never written to. Any other file there is forgotten with `replace` or if it is not needed, else it is in
 * the way. Returns the right pieces that lie in counted files alone.
 */
async function findPlaced(
  job: Job,
  files: PartFiles,
  paths: StorePaths,
  needed: ReadonlySet<number>,
  state: JournalState | undefined,
): Promise<Set<number>> {
  files.findPlaced(paths.target);
  const checked = new Map<number, boolean>();
  for (const file of [...files.placed]) {
    let right = true;
    for (const index of piecesOf(job, files.map, file)) {
      if (!checked.has(index)) {
        const recorded = state?.pieces.has(index) ?? true;
        checked.set(index, recorded && (await holds(job, files, index)));
      }
      right &&= checked.get(index)!;
    }
    if (right) continue;
    const { path } = files.map.files[file]!;
    if (!job.replace && needed.has(file)) {
      throw new PiezaError(
        "already_exists",
        `${basename(paths.target)}/${path} is there and has other bytes`,
      );
    }
    files.forgetPlaced(file);
  }
  return new Set([...checked].filter(([index, right]) => right && liesIn(job, files, index)).map(([n]) => n));
}

/** The files that have bytes of these pieces. */
function filesOf(map: FileMap, geometry: PieceGeometry, pieces: Iterable<number>): Set<number> {
  const files = new Set<number>();
  for (const piece of pieces) {
    const index = geometry.index(piece);
    for (const { file } of map.segments(geometry.offset(index), geometry.lengthOf(index))) files.add(file);
  }
  return files;
}

/** The pieces that have bytes of a file. */
function* piecesOf({ geometry }: Job, map: FileMap, file: number): Generator<number> {
  const start = map.startOf(file);
  const end = start + map.files[file]!.length;
  for (let index = Math.floor(start / geometry.pieceLength); index * geometry.pieceLength < end; index++)
    if (start < end) yield index;
}

/** Whether all bytes of the piece are in files in their final place. */
function liesIn({ geometry }: Job, files: PartFiles, index: number): boolean {
  const piece = geometry.index(index);
  const segments = [...files.map.segments(geometry.offset(piece), geometry.lengthOf(piece))];
  return segments.every(({ file }) => files.placed.has(file));
}

/** Puts the record on the disk before the piece is written to again: half a piece must not pass for a durable one. */
async function recordLost(journal: JournalFile, lost: readonly number[]): Promise<void> {
  if (lost.length === 0) return;
  journal.append("lost", lost);
  await journal.sync();
}

function checkSpace(neededBytes: number, paths: StorePaths, disk: Disk): void {
  const freeBytes = disk.freeBytes(paths.folder);
  if (neededBytes <= freeBytes) return;
  throw new StoreFailed(`the download needs ${neededBytes} more bytes, the disk has ${freeBytes} free`, {
    noSpace: true,
  });
}

async function holdsAll(job: Job, files: PartFiles): Promise<boolean> {
  if (!files.sizesRight()) return false;
  for (const index of job.geometry.indices()) if (!(await readRight(job, files, index))) return false;
  return true;
}

/** Whether the working files have the piece: one that cannot be read is downloaded again. */
async function holds(job: Job, files: PartFiles, index: number): Promise<boolean> {
  return (await findRight(job, files, index)) !== undefined;
}
