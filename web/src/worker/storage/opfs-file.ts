import { StoreFailed } from "#core/base/errors.ts";

/**
 * A file in the private storage of this origin (OPFS), open for this worker alone. Every failure is a StoreFailed.
 */
export class OpfsFile {
  readonly #handle: FileSystemSyncAccessHandle;

  private constructor(handle: FileSystemSyncAccessHandle) {
    this.#handle = handle;
  }

  /** Opens or creates the file. Fails if another tab has it open. */
  static async open(folder: FileSystemDirectoryHandle, name: string): Promise<OpfsFile> {
    try {
      const file = await folder.getFileHandle(name, { create: true });
      return new OpfsFile(await file.createSyncAccessHandle());
    } catch (error) {
      throw storeFailed(error);
    }
  }

  get sizeBytes(): number {
    return attempt(() => this.#handle.getSize());
  }

  write(bytes: Uint8Array, at: number): void {
    const written = attempt(() => this.#handle.write(bytes as Uint8Array<ArrayBuffer>, { at }));
    if (written !== bytes.length) throw new StoreFailed("the storage is full", { noSpace: true });
  }

  /** Reads `length` bytes, fewer at the end of the file. */
  read(at: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    const count = attempt(() => this.#handle.read(bytes, { at }));
    return count === length ? bytes : bytes.subarray(0, count);
  }

  /** Grows the file with zeros, or cuts it off. */
  truncate(sizeBytes: number): void {
    attempt(() => this.#handle.truncate(sizeBytes));
  }

  /** Returns when the operating system has written everything to the disk. */
  flush(): void {
    attempt(() => this.#handle.flush());
  }

  close(): void {
    this.#handle.close();
  }
}

function attempt<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw storeFailed(error);
  }
}

function storeFailed(cause: unknown): StoreFailed {
  const name = cause instanceof DOMException ? cause.name : "";
  if (name === "QuotaExceededError") return new StoreFailed("the storage is full", { cause, noSpace: true });
  if (name === "NoModificationAllowedError")
    return new StoreFailed("another tab has this download open", { cause });
  return new StoreFailed("this browser's storage failed", { cause });
}
