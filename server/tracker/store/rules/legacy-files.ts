import type { DeclaredFile, LegacyFile, LegacyMember, LegacyPeer } from "../swarm-store.ts";

/** Memory of one declared file, and of one declared piece without its hash: objects, map entries, strings. */
const FILE_BYTES = 512;
const PIECE_BYTES = 64;

/** An estimate of the memory that one peer's files take, in bytes, for the cap on state. */
export function bytesOfFiles(files: readonly DeclaredFile[]): number {
  let bytes = 0;
  for (const { pieces } of files) {
    bytes += FILE_BYTES;
    for (const { hash } of pieces) bytes += PIECE_BYTES + hash.length;
  }
  return bytes;
}

/**
 * What legacy peers declare, by peer and by file name.
 *
 * Invariant: `#members` has a peer under a name exactly if the peer is listed and one of its files has that name.
 */
export class LegacyFiles {
  /** By lease id. */
  readonly #peers = new Map<string, LegacyPeer>();
  /** By file name, then by lease id. */
  readonly #members = new Map<string, Map<string, LegacyMember>>();
  /** What `file` has returned, until a member changes. */
  readonly #snapshots = new Map<string, LegacyFile>();

  /** Replaces what the peer declared before. A listed peer keeps its place among the members of a file. */
  put(peer: LegacyPeer): void {
    const { leaseId, url, listed, files } = peer;
    const named = listed ? files : [];
    const names = new Set(named.map(({ fileName }) => fileName));
    for (const { fileName } of this.filesOf(leaseId))
      if (!names.has(fileName)) this.#leave(fileName, leaseId);
    for (const { fileName, pieces } of named) {
      const members = this.#members.get(fileName) ?? new Map<string, LegacyMember>();
      this.#members.set(fileName, members.set(leaseId, { leaseId, url, pieces }));
      this.#snapshots.delete(fileName);
    }
    this.#peers.set(leaseId, peer);
  }

  /** Does nothing for a peer that has declared nothing. */
  list(leaseId: string, listed: boolean): void {
    const peer = this.#peers.get(leaseId);
    if (peer && peer.listed !== listed) this.put({ ...peer, listed });
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
    const snapshot = this.#snapshots.get(fileName) ?? { fileName, members: [...members.values()] };
    this.#snapshots.set(fileName, snapshot);
    return snapshot;
  }

  peers(): readonly LegacyPeer[] {
    return [...this.#peers.values()];
  }

  #leave(fileName: string, leaseId: string): void {
    const members = this.#members.get(fileName);
    members?.delete(leaseId);
    if (members?.size === 0) this.#members.delete(fileName);
    this.#snapshots.delete(fileName);
  }
}
