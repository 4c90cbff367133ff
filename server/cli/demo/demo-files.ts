import { createCipheriv, createHash } from "node:crypto";
import { mkdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** A file or folder of the demo. The bytes are made, not stored: the same ones on every machine. */
export interface DemoFile {
  /** Also the torrent's file_name. */
  readonly fileName: string;
  /** Its name in the catalog. */
  readonly name: string;
  /** By path in the folder; "" alone for a single file. Chunks of any size. */
  readonly parts: ReadonlyMap<string, () => Iterable<Uint8Array>>;
  /** Bytes; a power of two. Undefined: by size. */
  readonly pieceLength?: number;
  readonly comment: string;
}

const CHUNK_BYTES = 1 << 20;

/** Deterministic bytes that look random: AES-128 in counter mode over zeros, keyed by a word. Fast: gigabytes a second. */
export function* pseudoRandom(word: string, length: number): Generator<Uint8Array> {
  const key = createHash("sha256").update(word).digest().subarray(0, 16);
  const cipher = createCipheriv("aes-128-ctr", key, Buffer.alloc(16));
  const zeros = Buffer.alloc(CHUNK_BYTES);
  for (let left = length; left > 0; left -= CHUNK_BYTES) {
    yield cipher.update(left < CHUNK_BYTES ? zeros.subarray(0, left) : zeros);
  }
}

/** 782 frames of 24 ms: 18.8 seconds of nothing. */
const MP3_FRAMES = 782;
/** 128 kbit/s at 48 kHz is exactly this for every frame, so none is padded. */
const MP3_FRAME_BYTES = 384;
/** MPEG-1 Layer III without CRC, 128 kbit/s, 48 kHz, mono, original. */
const MP3_HEADER = Buffer.from([0xff, 0xfb, 0x94, 0xc4]);
/** Side information of a mono frame; all zero says that no bit of the frame is sound. */
const MP3_SIDE_BYTES = 17;

/**
 * A valid MP3 of silence. What a frame does not need for sound is ancillary data, which players skip: there go bytes
 * that differ from frame to frame, so that no two pieces are alike.
 */
export function* silentMp3(): Generator<Uint8Array> {
  const ancillary = [...pseudoRandom("shakira", MP3_FRAMES * MP3_FRAME_BYTES)][0]!;
  for (let frame = 0; frame < MP3_FRAMES; frame++) {
    const bytes = Buffer.alloc(MP3_FRAME_BYTES);
    MP3_HEADER.copy(bytes);
    for (let at = MP3_HEADER.length + MP3_SIDE_BYTES; at < MP3_FRAME_BYTES; at++) {
      // Seven bits: a byte of 0xff could begin what looks like another frame's header.
      bytes[at] = ancillary[frame * MP3_FRAME_BYTES + at]! & 0x7f;
    }
    yield bytes;
  }
}

function text(content: string): () => Iterable<Uint8Array> {
  return () => [Buffer.from(content)];
}

/** A long text that repeats itself with a number in each line, so that its pieces differ. */
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

/** Makes the demo's files in `dir`, unless they are there; returns their paths in order. */
export async function writeDemoFiles(dir: string): Promise<string[]> {
  await mkdir(dir, { recursive: true });
  const paths: string[] = [];
  for (const file of demoFiles) paths.push(await writeDemoFile(dir, file));
  return paths;
}

/** Under another name first: what has the right name is whole. */
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
