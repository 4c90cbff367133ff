import type { Engine, News } from "../base/engine.ts";
import type { PublicationRecord } from "../base/messages.ts";
import { keepToken, keptToken } from "../base/token.svelte.ts";
import type { Downloads } from "../downloads/downloads.svelte.ts";
import { type Published, publishedList } from "./published-list.ts";
import type { PublishSource } from "./sources.ts";

/** The publications of this tab and of this browser, and the calls that components make. */
export class Publications {
  /** Publications of this tab, newest first. */
  list: readonly PublicationRecord[] = $state.raw([]);
  /** Publications of this browser from all tabs and days, without those in `list`; newest first. */
  earlier: readonly Published[] = $state.raw([]);
  /** Counts the changes that this tab made to the catalog. */
  changes = $state(0);
  readonly #engine: Engine;
  /** Ids of publications whose arrival in the catalog is counted in `changes`. */
  readonly #counted = new Set<number>();
  /** Ids of publications that the person cancelled. News of them that the worker sent before are dropped. */
  readonly #stopped = new Set<number>();

  constructor(engine: Engine) {
    this.#engine = engine;
    engine.listen((news) => this.#onNews(news));
    publishedList.onChange(() => this.#readEarlier());
    publishedList.onRemoved((infoHash) => void this.#forget(infoHash));
    this.#readEarlier();
  }

  async publish(source: PublishSource): Promise<void> {
    await this.#engine.call("publish", { ...source, ...token() });
  }

  /** Continues a publication with the person's answer. A token is kept for the next publication. */
  async goOn(
    { id }: PublicationRecord,
    answer: { token?: string; name?: string; replace?: boolean } = {},
  ): Promise<void> {
    if (answer.token) keepToken(answer.token);
    await this.#engine.call("goOn", { id, ...token(), ...answer });
  }

  /** Takes a publication off the list of this tab. A published torrent stays in the catalog and in `earlier`. */
  async stop({ id }: PublicationRecord): Promise<void> {
    this.#stopped.add(id);
    this.list = this.list.filter((record) => record.id !== id);
    this.#readEarlier();
    await this.#engine.call("stopPublishing", { id });
  }

  /** Removes a torrent from the catalog; its peers then drop its pieces. Rejects with CallFailed. */
  async unpublish({ name, infoHash }: { name: string; infoHash: string }, given?: string): Promise<void> {
    if (given) keepToken(given);
    await this.#engine.call("unpublish", { name, infoHash, ...token() });
    publishedList.remove(infoHash);
    await this.#forget(infoHash);
  }

  /** Takes what is no longer in the catalog off the lists. A publication that went on would list it again. */
  async #forget(infoHash: string): Promise<void> {
    for (const record of this.list) if (record.infoHash === infoHash) await this.stop(record);
    this.#readEarlier();
    this.changes++;
  }

  #onNews(news: News): void {
    if (news.type !== "publication") return;
    const { record } = news;
    if (this.#stopped.has(record.id)) return;
    const known = this.list.some(({ id }) => id === record.id);
    this.list = known
      ? this.list.map((other) => (other.id === record.id ? record : other))
      : [record, ...this.list];
    const { infoHash, totalPieces, published, stage } = record;
    if (!published || infoHash === undefined || totalPieces === undefined) return;
    if (!this.#counted.has(record.id)) this.changes++;
    this.#counted.add(record.id);
    if (stage.kind === "storing" && known && stage.pieces > 0) return;
    const { name, fileName, length, fileCount } = record;
    const stored = stage.kind === "shared";
    publishedList.put({ infoHash, name, fileName, length, fileCount, totalPieces, stored });
    this.#readEarlier();
  }

  #readEarlier(): void {
    const here = new Set(this.list.map(({ infoHash }) => infoHash));
    this.earlier = publishedList.read().filter(({ infoHash }) => !here.has(infoHash));
  }
}

/** What the parts of the page get. */
export interface PageProps {
  downloads: Downloads;
  publications: Publications;
}

function token(): { token?: string } {
  const kept = keptToken();
  return kept === undefined ? {} : { token: kept };
}
