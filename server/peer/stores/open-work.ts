import { basename } from "node:path";
import type { Random } from "#core/base/clock.ts";
import { PiezaError, StoreFailed } from "#core/base/errors.ts";
import { type Hasher, sha256 } from "#core/base/hash.ts";
import type { JournalState } from "#core/ports/journal.ts";
import type { PieceGeometry } from "#core/torrent/piece.ts";
import { piecesOfFiles } from "#core/torrent/selection.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { type Disk, storeFailed } from "./disk.ts";
import { FileMap } from "./file-map.ts";
import { JournalFile } from "./journal.ts";
import { type Lock, takeLock } from "./lock.ts";
import { PartFiles } from "./part-files.ts";
import { resume } from "./resume.ts";
import type { StorePaths } from "./store-paths.ts";

/** The opened working files of a download. */
export interface Work {
  readonly files: PartFiles;
  readonly lock: Lock;
  /** Undefined if the target is already complete. */
  readonly journal: JournalFile | undefined;
  readonly held: Iterable<number>;
  /** Pieces of `held` that may not have reached the disk. */
  readonly unsynced: number[];
}

export interface WorkOptions {
  readonly torrent: Torrent;
  readonly geometry: PieceGeometry;
  /** Whether to replace a file or folder that has the target's name. Default false. */
  readonly replace?: boolean | undefined;
  readonly hasher: Hasher;
  /** Chooses the durable pieces that are hashed again at the start. Default Math.random. */
  readonly random?: Random | undefined;
}

interface Job extends WorkOptions {
  readonly neededBytes: number;
}

/** Takes the lock and finds out where the last run stopped: before the start, half way, or during the clean-up. */
export async function openWork(job: Job, paths: StorePaths, disk: Disk): Promise<Work> {
  const lock = takeLock(paths.lock, basename(paths.target));
  try {
    const opened = (await openFinished(job, paths, disk)) ?? (await openPart(job, paths, disk));
    return { ...opened, lock };
  } catch (error) {
    lock.release();
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
  const part = disk.look(paths.part);
  if (!part || part.identity === target.identity) {
    const map = new FileMap(job.torrent.files, job.geometry.length);
    const files = new PartFiles(disk, paths.target, map, "read");
    try {
      if (await holdsAll(job, files)) {
        for (const leftover of [paths.part, paths.journal, paths.replaced]) disk.remove(leftover);
        return { files, journal: undefined, held: job.geometry.indices(), unsynced: [] };
      }
    } catch (error) {
      await files.close();
      throw error;
    }
    await files.close();
  }
  if (part && hasPlaced(job, paths, disk)) return undefined;
  if (!job.replace) throw new PiezaError("already_exists", `${basename(paths.target)} exists already`);
  return undefined;
}

/** Whether an earlier run for some of the files has moved those to their places in the target. */
function hasPlaced({ torrent, geometry }: Job, paths: StorePaths, disk: Disk): boolean {
  if (!torrent.files || !disk.look(paths.journal)) return false;
  const files = new PartFiles(disk, paths.part, new FileMap(torrent.files, geometry.length), "read");
  files.findPlaced(paths.target);
  return files.placed.size > 0;
}

async function openPart(job: Job, paths: StorePaths, disk: Disk): Promise<Opened> {
  const { torrent, geometry } = job;
  const partIsThere = disk.look(paths.part) !== undefined;
  const old = await JournalFile.open(disk, paths.journal, torrent.infoHash, geometry);
  const fresh = !old || !partIsThere;
  if (fresh) {
    old?.journal.close();
    disk.remove(paths.journal);
    disk.remove(paths.part);
  }
  const files = new PartFiles(disk, paths.part, new FileMap(torrent.files, geometry.length), "update");
  let journal = fresh ? undefined : old.journal;
  try {
    if (!fresh && torrent.files) await findPlaced(job, files, paths, old.state);
    checkSpace(job.neededBytes - (fresh ? 0 : files.allocatedBytes()), paths, disk);
    const intact = files.prepare();
    journal ??= await JournalFile.create(disk, paths.journal, torrent.infoHash, geometry);
    // The names that an earlier run gave may not have reached the disk.
    await files.syncFolders();
    await disk.syncFolder(paths.folder);
    if (fresh) return { files, journal, held: [], unsynced: [] };
    const check = (index: number) => holds(job, files, index);
    const { held, unsynced, lost } = await resume(old.state, intact, check, job.random ?? Math.random);
    await recordLost(journal, lost);
    for (const piece of unsynced.map((n) => geometry.index(n))) {
      files.markUnsynced(geometry.offset(piece), geometry.lengthOf(piece));
    }
    return { files, journal, held, unsynced };
  } catch (error) {
    await files.close();
    journal?.close();
    throw error;
  }
}

/**
 * Checks the files in their final place, which their owner may have changed. A file counts if all of its pieces are
 * right, and is never written to. Any other file there is forgotten with `replace`, else it is in the way.
 */
async function findPlaced(
  job: Job,
  files: PartFiles,
  paths: StorePaths,
  { pieces }: JournalState,
): Promise<void> {
  files.findPlaced(paths.target);
  for (const file of [...files.placed]) {
    const touched = piecesOfFiles(files.map.files, [file], job.geometry);
    let right = true;
    for (const index of touched) right &&= pieces.has(index) && (await holds(job, files, index));
    if (right) continue;
    const { path } = files.map.files[file]!;
    if (!job.replace) {
      throw new PiezaError(
        "already_exists",
        `${basename(paths.target)}/${path} is there and has other bytes`,
      );
    }
    files.forgetPlaced(file);
  }
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
  for (const index of job.geometry.indices()) if (!(await isRight(job, files, index))) return false;
  return true;
}

/** Whether the piece in these files has the right hash. Fails with StoreFailed if the files cannot be read. */
async function isRight(
  { torrent, geometry, hasher }: Job,
  files: PartFiles,
  index: number,
): Promise<boolean> {
  const piece = geometry.index(index);
  const bytes = await files.read(geometry.offset(piece), geometry.lengthOf(piece));
  return (await sha256(hasher, bytes)) === torrent.pieces[index];
}

/** Like `isRight` for the working files: a piece that cannot be read is downloaded again. */
async function holds(job: Job, files: PartFiles, index: number): Promise<boolean> {
  try {
    return await isRight(job, files, index);
  } catch (error) {
    if (error instanceof StoreFailed) return false;
    throw error;
  }
}
