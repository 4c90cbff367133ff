import { realpath } from "node:fs/promises";
import { basename } from "node:path";
import { Bitfield } from "#core/base/bitfield.ts";
import { InvalidField, PiezaError } from "#core/base/errors.ts";
import { type Hasher, webCryptoHasher } from "#core/base/hash.ts";
import { checkHeld } from "#core/ports/store.ts";
import type { PieceGeometry, PieceIndex } from "#core/torrent/piece.ts";
import { geometryOf, type Torrent } from "#core/torrent/torrent.ts";
import { codeOf, storeFailed } from "./disk.ts";
import { FileMap } from "./file-map.ts";
import { VerifiedPieces } from "./fingerprint.ts";
import { InPlaceFiles, type InPlaceOptions } from "./in-place-files.ts";
import type { ServedStore } from "./served-torrents.ts";

export interface InPlaceStoreOptions extends InPlaceOptions {
  readonly torrent: Torrent;
  /** The file or folder to serve. It is never written to. */
  readonly path: string;
  /** The piece geometry of a torrent without lengths. */
  readonly geometry?: PieceGeometry | undefined;
  /** Numbers (from 1) of the pieces to serve. Default: all, and then every file must have its size. */
  readonly pieces?: readonly number[] | undefined;
  /** Called when a piece turns out to have changed: it is no longer held, so announce that. */
  readonly onWithdrawn?: ((index: PieceIndex) => void) | undefined;
  /** Default: WebCrypto, which hashes on another thread while this one serves. */
  readonly hasher?: Hasher | undefined;
}

/**
 * Serves a file or folder where it lies, without a copy. Sizes are checked now, the hash of every piece before its
 * first byte is sent. Fails with PiezaError("failed_precondition") if `path` does not exist or a file has another
 * size, with InvalidField for a torrent without lengths and no `geometry`, and with StoreFailed.
 */
export async function openInPlaceStore(options: InPlaceStoreOptions): Promise<InPlaceStore> {
  const { torrent, pieces } = options;
  const geometry = options.geometry ?? geometryOf(torrent);
  if (!geometry) throw new InvalidField("piece_length", "is needed to seed a torrent");
  const root = await rootOf(options.path);
  const files = new InPlaceFiles(root, new FileMap(torrent.files, geometry.length), options);
  const held = Bitfield.of(geometry.count, pieces ? indicesOf(geometry, pieces) : geometry.indices());
  if (!pieces) await checkSizes(files, basename(root));
  return new InPlaceStore(options, geometry, files, held);
}

async function rootOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw storeFailed(`reading ${basename(path)}`, error);
    throw new PiezaError("failed_precondition", `${basename(path)} is not there`, { cause: error });
  }
}

function* indicesOf(geometry: PieceGeometry, numbers: readonly number[]): Generator<PieceIndex> {
  for (const number of numbers) {
    const index = geometry.indexOfNumber(number);
    if (index === undefined) throw new InvalidField("pieces", `there is no piece ${number}`);
    yield index;
  }
}

async function checkSizes(files: InPlaceFiles, rootName: string): Promise<void> {
  for (const [n, { path, length }] of files.map.files.entries()) {
    const size = await files.sizeOf(n);
    if (size === length) continue;
    const found = size === undefined ? "is not there" : `has ${size} bytes`;
    const name = path || rootName;
    throw new PiezaError("failed_precondition", `${name} ${found}, the torrent says ${length} bytes`);
  }
}

/**
 * Invariant: the bytes that `read` returns have the piece's hash. A piece with a wrong hash is withdrawn for good.
 */
export class InPlaceStore implements ServedStore {
  readonly geometry: PieceGeometry;
  readonly held: Bitfield;
  readonly #options: InPlaceStoreOptions;
  readonly #files: InPlaceFiles;
  readonly #verified: VerifiedPieces;

  constructor(options: InPlaceStoreOptions, geometry: PieceGeometry, files: InPlaceFiles, held: Bitfield) {
    this.geometry = geometry;
    this.held = held;
    this.#options = options;
    this.#files = files;
    this.#verified = new VerifiedPieces(options.hasher ?? webCryptoHasher, options.torrent.pieces);
  }

  /** Fails with not_found (not held), data_loss (withdrawn by this call) or unavailable (too many open files). */
  async read(index: PieceIndex, into?: Uint8Array): Promise<Uint8Array> {
    checkHeld(this.held, index);
    const length = this.geometry.lengthOf(index);
    const bytes = into ? into.subarray(0, length) : new Uint8Array(length);
    await this.#readFiles(index, bytes);
    if (!(await this.#verified.isRight(index, bytes))) throw this.#withdraw(index);
    return bytes;
  }

  /** Hashes a held piece again and withdraws it if it has changed. */
  async check(index: PieceIndex): Promise<boolean> {
    this.#verified.forget(index);
    try {
      await this.read(index);
      return true;
    } catch (error) {
      if (error instanceof PiezaError && error.code === "data_loss") return false;
      throw error;
    }
  }

  /** Closes the files. A later read opens and closes them for itself. */
  close(): void {
    this.#files.close();
  }

  async #readFiles(index: PieceIndex, into: Uint8Array): Promise<void> {
    try {
      await this.#files.read(this.geometry.offset(index), this.geometry.lengthOf(index), into);
    } catch (error) {
      const code = codeOf(error);
      if (code === "EMFILE" || code === "ENFILE") {
        throw new PiezaError("unavailable", "too many open files", { cause: error });
      }
      throw this.#withdraw(index, error);
    }
  }

  #withdraw(index: PieceIndex, cause?: unknown): PiezaError {
    this.#verified.forget(index);
    if (this.held.clear(index)) this.#options.onWithdrawn?.(index);
    return new PiezaError("data_loss", `this peer's copy of piece ${index + 1} has changed`, { cause });
  }
}
