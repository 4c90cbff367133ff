import type { DeclaredFile, LegacyFile, LegacyMember, LegacyPeer } from "../swarm-store.ts";

/** What a file of a peer, and a piece beside its hash, cost: objects, map entries, strings. */
const FILE_BYTES = 512;
const PIECE_BYTES = 64;

/** Bytes that the files of one peer take, near enough for a cap. */
export function bytesOfFiles(files: readonly DeclaredFile[]): number {
  let bytes = 0;
  for (const { pieces } of files) {
    bytes += FILE_BYTES;
    for (const { hash } of pieces) bytes += PIECE_BYTES + hash.length;
  }
  return bytes;
}

/**
 * What seed peers declare, in a MemorySwarmStore: by peer, and by file name.
 *
 * Invariant: `#members` has a peer under a name exactly if the peer's files have one of that name.
 */
export class LegacyFiles {
  /** By lease. */
  readonly #peers = new Map<string, LegacyPeer>();
  /** By file name, then by lease. */
  readonly #members = new Map<string, Map<string, LegacyMember>>();
  readonly #pictures = new Map<string, LegacyFile>();

  /** Instead of what the peer declared before. A peer that was known keeps its place among a file's members. */
  put(peer: LegacyPeer): void {
    const { leaseId, url, files } = peer;
    const names = new Set(files.map(({ fileName }) => fileName));
    for (const { fileName } of this.filesOf(leaseId))
      if (!names.has(fileName)) this.#leave(fileName, leaseId);
    for (const { fileName, pieces } of files) {
      const members = this.#members.get(fileName) ?? new Map<string, LegacyMember>();
      this.#members.set(fileName, members.set(leaseId, { leaseId, url, pieces }));
      this.#pictures.delete(fileName);
    }
    this.#peers.set(leaseId, peer);
  }

  remove(leaseId: string): void {
    for (const { fileName } of this.filesOf(leaseId)) this.#leave(fileName, leaseId);
    this.#peers.delete(leaseId);
  }

  filesOf(leaseId: string): readonly DeclaredFile[] {
    return this.#peers.get(leaseId)?.files ?? [];
  }

  file(fileName: string): LegacyFile | undefined {
    const members = this.#members.get(fileName);
    if (!members) return undefined;
    const picture = this.#pictures.get(fileName) ?? { fileName, members: [...members.values()] };
    this.#pictures.set(fileName, picture);
    return picture;
  }

  peers(): readonly LegacyPeer[] {
    return [...this.#peers.values()];
  }

  #leave(fileName: string, leaseId: string): void {
    const members = this.#members.get(fileName);
    members?.delete(leaseId);
    if (members?.size === 0) this.#members.delete(fileName);
    this.#pictures.delete(fileName);
  }
}
