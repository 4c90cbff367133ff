import { refuse, refuseEnded } from "../refuse.ts";
import { LegacyFiles } from "../rules/legacy-files.ts";
import type { DeclaredFile, LegacyFile, LegacyPeer } from "../swarm-store.ts";
import { decodeFiles, encodeFiles, revisionText } from "./codec.ts";
import { digestOf } from "./keys.ts";
import type { LiveRow, TableParts } from "./tables.ts";

/** Above any random revision, which has to fit the first 16 digits of a row. */
const MAX_REVISION = 10 ** 15;

/**
 * What legacy peers declare, in Redis: a table with a row for each peer, and a key for each peer's files. This
 * process keeps a copy and reads only the files of peers whose rows have changed.
 */
export class RedisLegacyPeers {
  readonly #parts: TableParts;
  readonly #files = new LegacyFiles();
  /** The revisions of the rows that `#files` was made from, by lease id. */
  readonly #revisions = new Map<string, number>();

  constructor(parts: TableParts) {
    this.#parts = parts;
  }

  async declare(id: string, files: readonly DeclaredFile[]): Promise<void> {
    const { connection, keys, limits, netMs } = this.#parts;
    if (!(await this.#parts.leases.find(id))) refuseEnded();
    const digest = digestOf(id);
    const { value, bytes } = encodeFiles(files);
    await this.#parts.accounts.checkBytes(keys.legacyBytes, digest, bytes, "pieces of legacy peers");
    if (files.length > limits.maxTorrentsPerLease) refuse("files of one peer");
    await connection.command("SET", keys.declared(digest), value, "PX", netMs);
    const row = [revisionText(Math.floor(Math.random() * MAX_REVISION)), "00000000", ""] as const;
    await this.#parts.tables.put(keys.legacyPeers, digest, row, { replace: true, tableBytes: 0 });
    await this.#parts.accounts.set(keys.legacyBytes, digest, bytes);
    if (!(await this.#parts.leases.find(id))) await this.remove(digest);
  }

  /** The peer's lease has changed: all trackers read it again. */
  touch(digest: string): Promise<void> {
    return this.#parts.tables.touch(this.#parts.keys.legacyPeers, digest);
  }

  async remove(digest: string): Promise<void> {
    const { keys } = this.#parts;
    if ((await this.#parts.tables.remove(keys.legacyPeers, digest)) === undefined) return;
    await this.#parts.accounts.set(keys.legacyBytes, digest, 0);
  }

  async file(fileName: string): Promise<LegacyFile | undefined> {
    return (await this.#read())?.file(fileName);
  }

  async peers(): Promise<readonly LegacyPeer[]> {
    return (await this.#read())?.peers() ?? [];
  }

  #read(): Promise<LegacyFiles | undefined> {
    return this.#parts.tables.read(this.#parts.keys.legacyPeers, {
      make: (rows) => this.#update(rows),
      onEnded: (digest) => this.remove(digest),
    });
  }

  async #update(rows: readonly LiveRow[]): Promise<LegacyFiles> {
    const live = new Set(rows.map(({ lease }) => lease.id));
    for (const id of this.#revisions.keys()) if (!live.has(id)) this.#forget(id);
    for (const { digest, revision, lease } of rows) {
      this.#files.list(lease.id, lease.listed);
      if (this.#revisions.get(lease.id) === revision) continue;
      const value = await this.#parts.connection.command("GET", this.#parts.keys.declared(digest));
      const files = Buffer.isBuffer(value) ? decodeFiles(value) : undefined;
      if (!files) this.#parts.onGarbage();
      const { id: leaseId, url, listed } = lease;
      this.#files.put({ leaseId, url, listed, files: files ?? [] });
      this.#revisions.set(lease.id, revision);
    }
    return this.#files;
  }

  #forget(id: string): void {
    this.#revisions.delete(id);
    this.#files.remove(id);
  }
}
