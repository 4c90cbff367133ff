import { isSha256Hex } from "#core/base/hash.ts";
import { keepText, keptList } from "../base/kept.ts";

/** One torrent that this browser published. */
export interface Published {
  readonly infoHash: string;
  /** Name in the catalog. */
  readonly name: string;
  readonly fileName: string;
  readonly length: number;
  /** 0 for a single file. */
  readonly fileCount: number;
  readonly totalPieces: number;
  /** Whether every piece reached a peer. */
  readonly stored: boolean;
}

const KEY = "pieza.published";
/** Above this, the oldest entries are dropped here. They stay in the catalog. */
const MAX_KEPT = 500;

/** The torrents that this browser published, newest first, in the storage that all tabs of this origin share. */
class PublishedList {
  /** Info hashes of what a tab has removed, for the other tabs. */
  readonly #removals = new BroadcastChannel("pieza.removed");

  read(): readonly Published[] {
    return keptList(KEY, isPublished);
  }

  put(published: Published): void {
    const others = this.read().filter(({ infoHash }) => infoHash !== published.infoHash);
    this.#write([published, ...others]);
  }

  remove(infoHash: string): void {
    this.#write(this.read().filter((published) => published.infoHash !== infoHash));
    this.#removals.postMessage(infoHash);
  }

  /** Calls `fn` when another tab has changed the list. */
  onChange(fn: () => void): void {
    addEventListener("storage", ({ key }) => {
      if (key === KEY || key === null) fn();
    });
  }

  /** Calls `fn` when another tab has removed a torrent. An entry that is only missing may be one that got lost. */
  onRemoved(fn: (infoHash: string) => void): void {
    this.#removals.addEventListener("message", ({ data }: MessageEvent<string>) => fn(data));
  }

  #write(list: readonly Published[]): void {
    keepText(KEY, JSON.stringify(list.slice(0, MAX_KEPT)));
  }
}

export const publishedList = new PublishedList();

function isPublished(value: unknown): value is Published {
  const { infoHash, name, fileName, length, fileCount, totalPieces } = (value ?? {}) as Partial<Published>;
  const texts = [infoHash, name, fileName].every((text) => typeof text === "string");
  const numbers = [length, fileCount, totalPieces].every((number) => Number.isSafeInteger(number));
  return texts && numbers && isSha256Hex(infoHash!);
}
