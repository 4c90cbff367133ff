import { StoreFailed } from "#core/errors.ts";
import type { Hasher } from "#core/hash.ts";
import type { PieceGeometry } from "#core/piece.ts";
import { MemoryPieceStore, type PieceStore } from "#core/store.ts";
import type { Torrent } from "#core/torrent.ts";
import type { Stage, StorageInfo } from "../messages.ts";
import type { KeptDownload } from "./kept-downloads.ts";
import { OpfsPieceStore } from "./opfs-piece-store.ts";
import { availableBytes } from "./storage.ts";

/** A store with what the page needs of it besides pieces. */
export interface OpenStore {
  readonly pieces: PieceStore;
  /** Every piece is held and the store is closed: the whole as one Blob, without a copy of it in this worker. */
  whole(): Promise<Blob>;
}

export interface OpenStoreInput {
  readonly torrent: Torrent;
  readonly geometry: PieceGeometry;
  readonly hasher: Hasher;
  readonly storage: StorageInfo;
  /** The download's folder; undefined where nothing can be kept. */
  readonly kept: KeptDownload | undefined;
}

/** Opens the place of a download's bytes, or says that they do not fit. Fails with StoreFailed. */
export async function openStore(input: OpenStoreInput): Promise<OpenStore | Stage> {
  return input.kept ? openOnDisk(input, input.kept) : openInMemory(input);
}

function openInMemory({ geometry, storage: { capBytes } }: OpenStoreInput): OpenStore | Stage {
  if (geometry.length > capBytes) return { kind: "too large", availableBytes: capBytes, memory: true };
  const pieces = new MemoryPieceStore(geometry);
  return { pieces, whole: async () => new Blob(pieces.parts() as Uint8Array<ArrayBuffer>[]) };
}

async function openOnDisk(input: OpenStoreInput, kept: KeptDownload): Promise<OpenStore | Stage> {
  const { torrent, geometry, hasher } = input;
  const available = await availableBytes();
  if (geometry.length - (await kept.sizeBytes()) > available) {
    return { kind: "too large", availableBytes: available, memory: false };
  }
  try {
    const pieces = await OpfsPieceStore.open({ folder: kept.folder, torrent, geometry, hasher });
    return { pieces, whole: () => kept.data() };
  } catch (error) {
    // Some browsers name every page the same room, so that it tells nothing of the person, and refuse then.
    const refused = error instanceof StoreFailed && error.noSpace;
    if (refused) return { kind: "too large", availableBytes: undefined, memory: false };
    throw error;
  }
}
