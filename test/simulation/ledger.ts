/** What one download has asked for: kept beside it by the network, so that it can be held against what it says. */
export class Ledger {
  /** Requests under way, by piece. */
  readonly open = new Map<number, number>();
  /** URLs that it has banned, as far as it was seen. */
  readonly banned = new Set<string>();
  readonly #fail: (what: string) => void;
  readonly #note: (what: string) => void;

  /** `fail` is told what must not be, `note` what happens. */
  constructor(fail: (what: string) => void, note: (what: string) => void) {
    this.#fail = fail;
    this.#note = note;
  }

  begin(url: string, index: number): void {
    this.#note(`asks ${url} for ${index}`);
    if (this.banned.has(url)) this.#fail(`piece ${index} is asked of ${url}, which is banned`);
    this.open.set(index, (this.open.get(index) ?? 0) + 1);
  }

  end(url: string, index: number, how: string): void {
    this.#note(`${url} ${index}: ${how}`);
    const left = this.open.get(index)! - 1;
    if (left > 0) this.open.set(index, left);
    else this.open.delete(index);
  }
}
