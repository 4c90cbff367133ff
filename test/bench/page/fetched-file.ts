/// <reference path="../../../web/src/worker/storage/opfs.d.ts" />

/** A download by a page of the bench: what a worker is told, in its first message. */
export interface Job {
  readonly peers: readonly string[];
  readonly infoHash: string;
  /** 64 lowercase hex digits each, in order. */
  readonly hashes: readonly string[];
  readonly pieceLength: number;
  readonly requestsPerPeer: number;
  /** Every which piece is this worker's, and from which on: [1, 0] if it is the only one. */
  readonly every: readonly [step: number, first: number];
}

/** The bytes of a piece, numbered from 1. */
export type GetPiece = (peer: string, infoHash: string, number: number) => Promise<Uint8Array<ArrayBuffer>>;

/** The name in the origin's private storage. */
const FILE_NAME = "source.bin";

/**
 * In a worker: takes the job, fetches every piece, checks it and writes it at its place in the origin's private storage,
 * then says how it ended: "" or what went wrong.
 */
export function answerJob(connect: (peers: readonly string[]) => GetPiece): void {
  addEventListener("message", async ({ data }: MessageEvent<Job>) => {
    try {
      await download(data, connect(data.peers));
      postMessage("");
    } catch (error) {
      postMessage(String(error));
    }
  });
}

/** Every peer's lanes take the next piece that nobody has taken: no picker, no retries, nothing kept for a resume. */
async function download(job: Job, getPiece: GetPiece): Promise<void> {
  const root = await navigator.storage.getDirectory();
  const handle = await root.getFileHandle(FILE_NAME, { create: true });
  const [step, first] = job.every;
  // Alone it has the file to itself, as a page would.
  const file = await handle.createSyncAccessHandle({ mode: step === 1 ? "readwrite" : "readwrite-unsafe" });
  const pieces = [...job.hashes.entries()].filter(([index]) => index % step === first).values();
  async function lane(peer: string): Promise<void> {
    for (const [index, hash] of pieces) {
      const bytes = await getPiece(peer, job.infoHash, index + 1);
      const digest = await crypto.subtle.digest("SHA-256", bytes);
      if (hex(digest) !== hash) throw new Error(`piece ${index + 1} is wrong`);
      file.write(bytes, { at: index * job.pieceLength });
    }
  }
  const lanes = job.peers.flatMap((peer) => Array.from({ length: job.requestsPerPeer }, () => lane(peer)));
  await Promise.all(lanes);
  file.flush();
  file.close();
}

function hex(digest: ArrayBuffer): string {
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
