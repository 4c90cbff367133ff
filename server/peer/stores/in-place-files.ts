import { read } from "node:fs";
import { lstat, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { codeOf } from "./disk.ts";
import type { FileMap } from "./file-map.ts";
import { KeptFiles } from "./kept-files.ts";

const readAsync = promisify(read);

export interface InPlaceOptions {
  /** Reads the files that links lead to. Default: fails for a link. */
  readonly followLinks?: boolean | undefined;
}

/** The files of a torrent where they lie, read as one range of bytes. Fails with the system's errors. */
export class InPlaceFiles {
  readonly map: FileMap;
  readonly #root: string;
  readonly #followLinks: boolean;
  readonly #kept: KeptFiles;

  /** `root`: the real path of the file or folder. */
  constructor(root: string, map: FileMap, { followLinks = false }: InPlaceOptions = {}) {
    this.map = map;
    this.#root = root;
    this.#followLinks = followLinks;
    this.#kept = new KeptFiles(root, followLinks);
  }

  /** Reads to the start of `into`, or to a new buffer. Fails with an Error for a file that is too short. */
  async read(offset: number, length: number, into: Uint8Array = new Uint8Array(length)): Promise<Uint8Array> {
    const bytes = into.subarray(0, length);
    for (const { file, position, at, length: run } of this.map.segments(offset, length)) {
      const part = bytes.subarray(at, at + run);
      await this.#kept.with(this.map.files[file]!.path, (descriptor) => readAll(descriptor, part, position));
    }
    return bytes;
  }

  /** Size in bytes of the file with this index; undefined if there is no regular file. */
  async sizeOf(file: number): Promise<number | undefined> {
    try {
      const facts = await (this.#followLinks ? stat : lstat)(this.#pathOf(file));
      return facts.isFile() ? facts.size : undefined;
    } catch (error) {
      if (/^(ENOENT|ENOTDIR|ELOOP)$/.test(codeOf(error))) return undefined;
      throw error;
    }
  }

  /** Closes the files. A later read opens and closes them for itself. */
  close(): void {
    this.#kept.close();
  }

  #pathOf(file: number): string {
    return join(this.#root, this.map.files[file]!.path);
  }
}

async function readAll(descriptor: number, into: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < into.length; ) {
    const { bytesRead } = await readAsync(descriptor, into, done, into.length - done, position + done);
    if (bytesRead === 0) throw new Error("the file is shorter than it was");
    done += bytesRead;
  }
}
