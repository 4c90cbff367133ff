import type { Bitfield } from "#core/base/bitfield.ts";
import { StoreFailed } from "#core/base/errors.ts";
import { MemoryPieceStore, type PieceStore } from "#core/ports/store.ts";
import type { PieceGeometry } from "#core/torrent/piece.ts";
import type { Stage, StorageInfo } from "../base/messages.ts";
import type { KeptDownload } from "./kept-downloads.ts";
import { endOf, OpfsPieceStore, type OpfsPieceStoreOptions } from "./storage/opfs-piece-store.ts";
import { freeBytes } from "./storage/storage.ts";

/** A piece store, with the room for its pieces and their bytes as a Blob. */
export interface OpenStore {
  readonly pieces: PieceStore;
  /** Makes room for these pieces; undefined for all. Fails with StoreFailed. */
  want(wanted: Bitfield | undefined): void;
  /**
   * The bytes from `start` to `end`, exclusive, whose pieces are all held. Close the store first; on disk nothing is
   * copied.
   */
  blob(start: number, end: number): Promise<Blob>;
}

export interface OpenStoreInput extends Omit<OpfsPieceStoreOptions, "folder"> {
  readonly storage: StorageInfo;
  /** The folder of the download; undefined without storage. */
  readonly kept: KeptDownload | undefined;
}

/** Opens the store, or returns the stage "too large". Fails with StoreFailed. */
export async function openStore(input: OpenStoreInput): Promise<OpenStore | Stage> {
  return input.kept ? openOnDisk(input, input.kept) : openInMemory(input);
}

function openInMemory({ geometry, wanted, storage: { capBytes } }: OpenStoreInput): OpenStore | Stage {
  const neededBytes = bytesOf(geometry, wanted);
  if (neededBytes > capBytes)
    return { kind: "too large", neededBytes, availableBytes: capBytes, memory: true };
  const pieces = new MemoryPieceStore(geometry);
  return {
    pieces,
    want(now) {
      if (bytesOf(geometry, now) > capBytes) throw new StoreFailed("too large", { noSpace: true });
    },
    async blob(start, end) {
      const first = Math.floor(start / geometry.pieceLength);
      const parts = pieces.parts(first, Math.ceil(end / geometry.pieceLength));
      const offset = first * geometry.pieceLength;
      return new Blob(parts as Uint8Array<ArrayBuffer>[]).slice(start - offset, end - offset);
    },
  };
}

function bytesOf(geometry: PieceGeometry, wanted: Bitfield | undefined): number {
  if (!wanted) return geometry.length;
  let bytes = 0;
  for (const n of wanted) bytes += geometry.lengthOf(geometry.index(n));
  return bytes;
}

async function openOnDisk(input: OpenStoreInput, kept: KeptDownload): Promise<OpenStore | Stage> {
  const { geometry, wanted } = input;
  const availableBytes = await freeBytes();
  // The file ends with the last wanted piece, so skipped pieces before it take room too.
  const neededBytes = endOf(geometry, wanted) - (await kept.sizeBytes());
  if (neededBytes > availableBytes) return { kind: "too large", neededBytes, availableBytes, memory: false };
  try {
    const pieces = await OpfsPieceStore.open({ ...input, folder: kept.folder });
    return {
      pieces,
      want: (now) => pieces.want(now),
      blob: async (start, end) => (await kept.data()).slice(start, end),
    };
  } catch (error) {
    // For privacy, some browsers report the same quota to every page and refuse only when it is used up.
    const refused = error instanceof StoreFailed && error.noSpace;
    if (refused) return { kind: "too large", neededBytes, availableBytes: undefined, memory: false };
    throw error;
  }
}
