import { afterAll, describe, expect, it } from "vitest";
import { Bitfield } from "#core/base/bitfield.ts";
import { type ErrorCode, PiezaError } from "#core/base/errors.ts";
import { sha256, webCryptoHasher } from "#core/base/hash.ts";
import { checkWrite, type PieceStore } from "#core/ports/store.ts";
import { PieceGeometry, type PieceIndex } from "#core/torrent/piece.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { pieceStoreContract } from "../contract/piece-store.ts";
import type { StoreAsk } from "./opfs-store.worker.ts";

interface Answer {
  id: number;
  value?: unknown;
  error?: { code: string; message: string };
}

const worker = new Worker(new URL("./opfs-store.worker.ts", import.meta.url), { type: "module" });
const waiting = new Map<number, (answer: Answer) => void>();
let lastId = 0;

worker.addEventListener("message", ({ data }: MessageEvent<Answer>) => {
  waiting.get(data.id)?.(data);
  waiting.delete(data.id);
});

function ask<T>(number: number, what: StoreAsk): Promise<T> {
  const id = ++lastId;
  return new Promise((resolve, reject) => {
    waiting.set(id, ({ value, error }) => {
      if (error) reject(new PiezaError(error.code as ErrorCode, error.message));
      else resolve(value as T);
    });
    worker.postMessage({ id, number, ask: what });
  });
}

let lastNumber = 0;

/**
 * The store in the worker, as the contract sees it from here. `write` cannot wait for an answer: whatever fails in it
 * fails the next `commit`; and what bytes lie outside a piece is decided on this side, by the store's own check.
 */
class StoreInWorker implements PieceStore {
  readonly geometry: PieceGeometry;
  readonly held: Bitfield;
  readonly #number: number;
  #writes: Promise<unknown>[] = [];

  private constructor(geometry: PieceGeometry, held: Bitfield, number: number) {
    this.geometry = geometry;
    this.held = held;
    this.#number = number;
  }

  static async open(torrent: Torrent, geometry: PieceGeometry): Promise<StoreInWorker> {
    const number = ++lastNumber;
    const { length, pieceLength } = geometry;
    const held = await ask<number[]>(number, { open: { torrent, length, pieceLength } });
    return new StoreInWorker(geometry, Bitfield.of(geometry.count, held), number);
  }

  write(index: PieceIndex, offset: number, bytes: Uint8Array): void {
    checkWrite(this.geometry, index, offset, bytes.length);
    const written = ask(this.#number, { write: { index, offset, bytes } });
    written.catch(() => {});
    this.#writes.push(written);
  }

  async commit(index: PieceIndex): Promise<void> {
    await Promise.all(this.#writes.splice(0));
    await ask(this.#number, { commit: index });
    this.held.set(index);
  }

  read = (index: PieceIndex) => ask<Uint8Array>(this.#number, { read: index });
  finish = () => ask<void>(this.#number, { finish: true });
  close = () => ask<void>(this.#number, { close: true });
}

async function everythingRemoved(): Promise<void> {
  const root = await navigator.storage.getDirectory();
  for await (const name of root.keys()) await root.removeEntry(name, { recursive: true });
}

pieceStoreContract(
  "this origin's private storage, from a worker",
  ({ torrent, geometry }) => StoreInWorker.open(torrent, geometry),
  { durable: true },
  everythingRemoved,
);

describe("the storage's store", () => {
  afterAll(everythingRemoved);
  const geometry = new PieceGeometry(3 << 14, 1 << 14);
  const piece = (index: number) => new Uint8Array(1 << 14).fill(index + 1);

  async function torrentOf(name: string): Promise<Torrent> {
    const pieces = await Promise.all([0, 1, 2].map((index) => sha256(webCryptoHasher, piece(index))));
    const infoHash = await sha256(webCryptoHasher, new TextEncoder().encode(name));
    const { length, pieceLength } = geometry;
    return { fileName: name, pieces, infoHash, lengths: { length, pieceLength }, trackers: [] };
  }

  async function fileOf(torrent: Torrent, name: string): Promise<FileSystemFileHandle> {
    const root = await navigator.storage.getDirectory();
    return (await root.getDirectoryHandle(torrent.infoHash)).getFileHandle(name);
  }

  async function held(torrent: Torrent, ...indices: number[]): Promise<StoreInWorker> {
    const store = await StoreInWorker.open(torrent, geometry);
    for (const n of indices) {
      store.write(geometry.index(n), 0, piece(n));
      await store.commit(geometry.index(n));
    }
    return store;
  }

  it("hashes again what it finds in a file that is shorter than it was left", async () => {
    const torrent = await torrentOf("cut");
    await (await held(torrent, 0, 2)).close();
    const writable = await (await fileOf(torrent, "data")).createWritable({ keepExistingData: true });
    await writable.truncate(1 << 14);
    await writable.close();

    const after = await StoreInWorker.open(torrent, geometry);
    expect([...after.held]).toEqual([0]);
    await after.close();
    const again = await StoreInWorker.open(torrent, geometry);
    expect([...again.held]).toEqual([0]);
    await again.close();
  });

  it("goes on behind the last whole record of a torn journal", async () => {
    const torrent = await torrentOf("torn");
    await (await held(torrent, 1)).close();
    const journal = await fileOf(torrent, "journal");
    const { size } = await journal.getFile();
    const writable = await journal.createWritable({ keepExistingData: true });
    await writable.write({ type: "write", position: size, data: new Uint8Array([2, 0, 0, 0, 9]) });
    await writable.close();

    const after = await held(torrent, 2);
    expect([...after.held]).toEqual([1, 2]);
    await after.close();
    const again = await StoreInWorker.open(torrent, geometry);
    expect([...again.held]).toEqual([1, 2]);
    await again.close();
  });

  it("refuses a second opening while the first lasts, and leaves no lock behind", async () => {
    const torrent = await torrentOf("twice");
    const first = await held(torrent, 0);
    await expect(StoreInWorker.open(torrent, geometry)).rejects.toThrow("another tab has this download open");
    await first.close();
    const second = await StoreInWorker.open(torrent, geometry);
    expect([...second.held]).toEqual([0]);
    await second.close();
  });
});
