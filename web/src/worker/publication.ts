import { PiezaError } from "#core/base/errors.ts";
import { createTorrent } from "#core/torrent/create-torrent.ts";
import { geometryOf, type Torrent } from "#core/torrent/torrent.ts";
import { compareBytewise } from "#core/torrent/torrent-files.ts";
import { type UploadPeerProgress, type UploadProgress, uploadPieces } from "#core/upload/upload.ts";
import type { PublicationStage, PublishAsk } from "../base/messages.ts";
import { failureOf, PageFailure } from "../base/trouble.ts";
import { browserClock } from "./browser-clock.ts";
import type { HostPorts } from "./host-ports.ts";

/** Shortest time between two progress messages to the page. */
const REPORT_MS = 100;

/**
 * Publishes one file or folder: hashes it, puts the torrent into the catalog, and stores the pieces at the upload
 * peers of the catalog. Finished work counts: after a stop, or when the same file is chosen again, only missing
 * pieces are sent.
 */
export class Publication {
  readonly id: number;
  readonly #ask: PublishAsk;
  readonly #ports: HostPorts;
  readonly #whole: Blob;
  readonly #abort = new AbortController();
  #token: string | undefined;
  /** Name in the catalog; empty for the name of the file. */
  #name = "";
  #replace = false;
  #torrent: Torrent | undefined;
  #published = false;
  #running = false;
  /** The upload peers that were asked so far. */
  #peers: readonly UploadPeerProgress[] = [];
  #stage: PublicationStage = { kind: "hashing", bytes: 0 };
  #reportedMs = Number.NEGATIVE_INFINITY;

  constructor(id: number, ask: PublishAsk, ports: HostPorts) {
    this.id = id;
    const files = ask.files.toSorted((a, b) => compareBytewise(a.path, b.path));
    this.#ask = { ...ask, files };
    this.#ports = ports;
    this.#token = ask.token;
    // A Blob of the files, so that no byte is read before it is needed.
    this.#whole = new Blob(files.map(({ file }) => file));
  }

  /** Starts, or continues where it stopped. Never rejects: the stage has the failure. */
  async run(more: { token?: string; name?: string; replace?: boolean } = {}): Promise<void> {
    if (this.#running || this.#abort.signal.aborted) return;
    this.#running = true;
    this.#token = more.token ?? this.#token;
    this.#name = more.name ?? this.#name;
    this.#replace = more.replace ?? false;
    try {
      this.#torrent ??= await this.#hash();
      if (!this.#published) this.#name = await this.#publish(this.#torrent);
      this.#published = true;
      await this.#store(this.#torrent);
      this.#become({ kind: "shared" });
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#become(this.#stageAfter(error));
    } finally {
      this.#running = false;
    }
  }

  stop(): void {
    this.#abort.abort(new Error("stopped by the person"));
  }

  #hash(): Promise<Torrent> {
    this.#become({ kind: "hashing", bytes: 0 });
    const { fileName, folder, files } = this.#ask;
    const draft = {
      fileName,
      length: this.#whole.size,
      ...(folder && { files: files.map(({ path, file }) => ({ path, length: file.size })) }),
      read: (offset: number, length: number) => this.#read(offset, length),
      createdAt: new Date().toISOString().replace(/\.\d+Z$/, "Z"),
    };
    const onProgress = (bytes: number) => this.#become({ kind: "hashing", bytes });
    return createTorrent(draft, this.#ports.hasher, { onProgress, signal: this.#abort.signal });
  }

  async #publish(torrent: Torrent): Promise<string> {
    this.#become({ kind: "publishing" });
    const options = { ...(this.#name && { name: this.#name }), replace: this.#replace };
    const catalog = this.#ports.catalogFor(this.#token);
    return (await catalog.publish(torrent, options, this.#abort.signal)).name;
  }

  async #store(torrent: Torrent): Promise<void> {
    this.#peers = [];
    this.#become({ kind: "storing", pieces: 0, peers: [] });
    const geometry = geometryOf(torrent)!;
    await uploadPieces(
      {
        geometry,
        peers: await this.#ports.uploadPeers(torrent, this.#token),
        read: (index) => this.#read(geometry.offset(index), geometry.lengthOf(index)),
        clock: browserClock,
        onProgress: ({ storedPieces, peers }: UploadProgress) => {
          this.#peers = peers;
          this.#become({ kind: "storing", pieces: storedPieces, peers });
        },
      },
      this.#abort.signal,
    );
  }

  async #read(offset: number, length: number): Promise<Uint8Array> {
    try {
      return new Uint8Array(await this.#whole.slice(offset, offset + length).arrayBuffer());
    } catch (cause) {
      const message = `${this.#ask.fileName}: it was changed, moved or deleted meanwhile`;
      throw new PageFailure("source_changed", "failed_precondition", message, { cause });
    }
  }

  #stageAfter(error: unknown): PublicationStage {
    const code = error instanceof PiezaError ? error.code : "internal";
    const failure = failureOf(error);
    if (this.#published) {
      const peersSayWhy = code === "unavailable" && this.#peers.length > 0;
      return { kind: "unstored", failure: peersSayWhy ? undefined : failure, peers: this.#peers };
    }
    if (!this.#torrent) return { kind: "broken", failure };
    if (code === "unauthenticated") return { kind: "token", refused: false };
    if (code === "permission_denied") return { kind: "token", refused: true };
    if (code === "already_exists") return { kind: "taken", name: this.#name || this.#ask.fileName };
    return { kind: "broken", failure };
  }

  #become(stage: PublicationStage): void {
    const fresh = stage.kind !== this.#stage.kind;
    this.#stage = stage;
    const now = browserClock.now();
    if (!fresh && now - this.#reportedMs < REPORT_MS) return;
    this.#reportedMs = now;
    const torrent = this.#torrent;
    this.#ports.post({
      type: "publication",
      record: {
        id: this.id,
        fileName: this.#ask.fileName,
        length: this.#whole.size,
        fileCount: this.#ask.folder ? this.#ask.files.length : 0,
        ...(torrent && { infoHash: torrent.infoHash, totalPieces: torrent.pieces.length }),
        name: this.#name,
        published: this.#published,
        stage,
      },
    });
  }
}
