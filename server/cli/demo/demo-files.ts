import { createCipheriv, createHash } from "node:crypto";
import { mkdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** A file or folder of the demo. Its bytes are generated, and are the same on every machine. */
export interface DemoFile {
  /** Also the torrent's file_name. */
  readonly fileName: string;
  /** Its name in the catalog. */
  readonly name: string;
  /** The bytes of each file by its path in the folder, in chunks of any size. A single file has the path "". */
  readonly parts: ReadonlyMap<string, () => Iterable<Uint8Array>>;
  /** Bytes; a power of two. Default: chosen by the size. */
  readonly pieceLength?: number;
  readonly comment: string;
}

const CHUNK_BYTES = 1 << 20;

/** Pseudo-random bytes: AES-128 in counter mode over zeros, with a key made of the word. Makes gigabytes a second. */
export function* pseudoRandom(word: string, length: number): Generator<Uint8Array> {
  const key = createHash("sha256").update(word).digest().subarray(0, 16);
  const cipher = createCipheriv("aes-128-ctr", key, Buffer.alloc(16));
  const zeros = Buffer.alloc(CHUNK_BYTES);
  for (let left = length; left > 0; left -= CHUNK_BYTES) {
    yield cipher.update(left < CHUNK_BYTES ? zeros.subarray(0, left) : zeros);
  }
}

/** 782 frames of 24 ms are 18.8 s. */
const MP3_FRAMES = 782;
/** The exact size of a frame at 128 kbit/s and 48 kHz, so no frame needs padding. */
const MP3_FRAME_BYTES = 384;
/** MPEG-1 Layer III without CRC, 128 kbit/s, 48 kHz, mono, original. */
const MP3_HEADER = Buffer.from([0xff, 0xfb, 0x94, 0xc4]);
/** Side information of a mono frame; zeros declare that the frame contains no sound. */
const MP3_SIDE_BYTES = 17;

/**
 * A valid MP3 of silence. The rest of each frame is ancillary data, which players skip; its bytes differ from frame
 * to frame, so that no two pieces are equal.
 */
export function* silentMp3(): Generator<Uint8Array> {
  const ancillary = [...pseudoRandom("shakira", MP3_FRAMES * MP3_FRAME_BYTES)][0]!;
  for (let frame = 0; frame < MP3_FRAMES; frame++) {
    const bytes = Buffer.alloc(MP3_FRAME_BYTES);
    MP3_HEADER.copy(bytes);
    for (let at = MP3_HEADER.length + MP3_SIDE_BYTES; at < MP3_FRAME_BYTES; at++) {
      // Seven bits, because a byte of 0xff could look like the start of a frame's header.
      bytes[at] = ancillary[frame * MP3_FRAME_BYTES + at]! & 0x7f;
    }
    yield bytes;
  }
}

function text(content: string): () => Iterable<Uint8Array> {
  return () => [Buffer.from(content)];
}

/** A text of numbered lines. The numbers make its pieces differ. */
function lines(line: string, count: number): () => Iterable<Uint8Array> {
  return text(Array.from({ length: count }, (_, n) => `${n + 1}. ${line}\n`).join(""));
}

const lectures = new Map([
  ["01 Introducción/notas.txt", lines("Una pieza llega, se comprueba y ya puede servirse a otros.", 400)],
  ["01 Introducción/pizarra vacía.txt", text("")],
  ["02 Swarms/reading list.txt", lines("Cohen, Incentives build robustness in BitTorrent, 2003.", 300)],
  ["03 课程/笔记.txt", lines("每一块都有自己的散列值。", 500)],
  ["README.txt", text("Three lectures about sharing files, in as many languages.\n")],
]);

export const demoFiles: readonly DemoFile[] = [
  {
    fileName: "greeting",
    name: "greeting",
    parts: new Map([["", text("Hello,\0world!")]]),
    comment: "13 bytes, one of them NUL",
  },
  {
    fileName: "shakira.mp3",
    name: "shakira",
    parts: new Map([["", silentMp3]]),
    pieceLength: 64 << 10,
    comment: "19 seconds of silence",
  },
  {
    fileName: "lectures",
    name: "lectures",
    parts: lectures,
    pieceLength: 16 << 10,
    comment: "A folder; names with spaces, accents and Han characters, one file empty",
  },
  {
    fileName: "ocean-64MiB.bin",
    name: "ocean-64MiB.bin",
    parts: new Map([["", () => pseudoRandom("ocean", 64 << 20)]]),
    comment: "64 MiB of noise, enough to watch the swarm at work",
  },
];

/** Writes the demo's files that are missing in `dir`; returns the paths in the order of `demoFiles`. */
export async function writeDemoFiles(dir: string): Promise<string[]> {
  await mkdir(dir, { recursive: true });
  const paths: string[] = [];
  for (const file of demoFiles) paths.push(await writeDemoFile(dir, file));
  return paths;
}

/** Writes the file under another name and renames it, so that a file with the final name is complete. */
async function writeDemoFile(dir: string, { fileName, parts }: DemoFile): Promise<string> {
  const path = join(dir, fileName);
  if (await stat(path).catch(() => undefined)) return path;
  const fresh = `${path}.new`;
  await rm(fresh, { recursive: true, force: true });
  for (const [part, chunks] of parts) {
    const target = join(fresh, part);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, chunks());
  }
  await rename(fresh, path);
  return path;
}
