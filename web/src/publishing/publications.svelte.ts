import type { Engine, News } from "../base/engine.ts";
import type { PublicationRecord } from "../base/messages.ts";
import { keepToken, keptToken } from "../base/token.ts";
import { type Published, publishedList } from "./published-list.ts";
import type { PublishSource } from "./sources.ts";

/** What this browser published and what this tab is publishing. Components read and call. */
export class Publications {
  /** Under way or waiting for the person in this tab, newest first. */
  list: readonly PublicationRecord[] = $state.raw([]);
  /** Of this browser, from any tab and any day, but for those in `list`; newest first. */
  earlier: readonly Published[] = $state.raw([]);
  /** Grows whenever the catalog has changed by us. */
  changes = $state(0);
  readonly #engine: Engine;
  /** Those of `list` that are in the catalog as far as we have told. */
  readonly #told = new Set<number>();
  /** Ids that the person took off the list: what the worker said of them before it knew is late. */
  readonly #stopped = new Set<number>();

  constructor(engine: Engine) {
    this.#engine = engine;
    engine.listen((news) => this.#onNews(news));
    publishedList.onChange(() => this.#readEarlier());
    this.#readEarlier();
  }

  async publish(source: PublishSource): Promise<void> {
    await this.#engine.call("publish", { ...source, ...token() });
  }

  /** Goes on after a question; a token is kept for the next time. */
  async goOn(
    { id }: PublicationRecord,
    answer: { token?: string; name?: string; replace?: boolean } = {},
  ): Promise<void> {
    if (answer.token) keepToken(answer.token);
    await this.#engine.call("goOn", { id, ...token(), ...answer });
  }

  /** Takes it off this tab's list. What is in the catalog stays there, and goes on in the list of this browser. */
  async stop({ id }: PublicationRecord): Promise<void> {
    this.#stopped.add(id);
    this.list = this.list.filter((record) => record.id !== id);
    this.#readEarlier();
    await this.#engine.call("stopPublishing", { id });
  }

  /** Deletes it from the catalog, whose peers forget it then. Fails with CallFailed. */
  async unpublish({ name, infoHash }: { name: string; infoHash: string }, given?: string): Promise<void> {
    if (given) keepToken(given);
    await this.#engine.call("unpublish", { name, infoHash, ...token() });
    publishedList.remove(infoHash);
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
    if (!this.#told.has(record.id)) this.changes++;
    this.#told.add(record.id);
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

function token(): { token?: string } {
  const kept = keptToken();
  return kept === undefined ? {} : { token: kept };
}
