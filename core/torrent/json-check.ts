/** Deeper nesting takes much memory: JSON.parse needs about 50 bytes a level. No file of ours nests deeper. */
const MAX_DEPTH = 32;
/** A torrent with the most pieces and files has fewer objects and lists. An empty one takes 50 bytes of memory. */
export const MAX_BRACKETS = 1 << 20;

/** The first place of a text that is not as it should be. */
export interface JsonProblem {
  /** Index into the text. */
  readonly at: number;
  readonly kind: "syntax" | "too-deep" | "too-many" | "duplicate-key";
}

/** The part of the text from a literal's beginning on; sticky, so that it looks in that place only. */
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /true|false|null/y;
/** The characters of a string up to its end, an escape or a control character. */
const PLAIN = /[ !#-[\]-\uffff]*/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

/** Values that are checked at once: they take about a millisecond. */
const STEPS = 4_096;
/** Lists of a top-level object are cut into parts of about so many characters, which are parsed one by one. */
const PART_CHARS = 64 << 10;

/** A long list that is a member of the top-level object. */
export interface LongList {
  readonly key: string;
  /** Where it begins, after the bracket, then its commas about every 64 KiB, and where it ends, before the bracket. */
  readonly cuts: readonly number[];
}

/**
 * Checks a text by the grammar of JSON (RFC 8259), with bounded nesting and without a key that is in an object twice:
 * of such a key JSON.parse takes the last value, and other programs the first. Undefined for a text without a problem.
 */
export function checkJson(text: string): JsonProblem | undefined {
  const check = new JsonCheck(text);
  while (check.goesOn());
  return check.problem;
}

/** The same check in slices. */
export class JsonCheck {
  /** Lists that are worth parsing in parts, in the order of the text. */
  readonly longLists: LongList[] = [];
  readonly #text: string;
  #at = 0;
  /** Objects and lists so far. */
  #opened = 0;
  /** The keys of each open object, and undefined for each open list, outermost first. */
  readonly #open: (Set<string> | undefined)[] = [];
  /** A value comes next, and else what follows one. */
  #beforeValue = true;
  #key = "";
  #cuts: number[] = [];
  #problem: JsonProblem | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  get problem(): JsonProblem | undefined {
    return this.#problem;
  }

  /** Checks some more of the text. Returns false at its end and at the first problem. */
  goesOn(): boolean {
    for (let step = 0; step < STEPS; step++) {
      const passed = this.#beforeValue ? this.#value() : this.#afterValue();
      if (!passed || (this.#open.length === 0 && !this.#beforeValue)) return passed && this.#end();
    }
    return true;
  }

  #end(): false {
    if (this.#skipSpace() < this.#text.length) this.#fail("syntax");
    return false;
  }

  /** Each of these methods passes what it is called after, or notes the problem and returns false. */
  #value(): boolean {
    this.#skipSpace();
    const char = this.#text[this.#at];
    if (char === "{" || char === "[") return this.#begin(char);
    this.#beforeValue = false;
    if (char === '"') return this.#string();
    return this.#match(NUMBER) || this.#match(WORD) || this.#fail("syntax");
  }

  #begin(char: "{" | "["): boolean {
    if (this.#open.length === MAX_DEPTH) return this.#fail("too-deep");
    if (++this.#opened > MAX_BRACKETS) return this.#fail("too-many");
    this.#at++;
    const isEmpty = this.#take(char === "{" ? "}" : "]");
    this.#beforeValue = !isEmpty;
    if (isEmpty) return true;
    this.#open.push(char === "{" ? new Set() : undefined);
    if (this.#isTopList) this.#cuts = [this.#at];
    return char === "[" || this.#member();
  }

  #afterValue(): boolean {
    const keys = this.#open.at(-1);
    const isTopList = this.#isTopList;
    if (this.#take(",")) {
      if (isTopList && this.#at - this.#cuts.at(-1)! > PART_CHARS) this.#cuts.push(this.#at - 1);
      this.#beforeValue = true;
      return !keys || this.#member();
    }
    if (!this.#take(keys ? "}" : "]")) return this.#fail("syntax");
    if (isTopList && this.#cuts.length > 1)
      this.longLists.push({ key: this.#key, cuts: [...this.#cuts, this.#at - 1] });
    this.#open.pop();
    return true;
  }

  /** Whether the innermost open value is a list and a member of the top-level object. */
  get #isTopList(): boolean {
    return this.#open.length === 2 && this.#open[0] !== undefined && this.#open[1] === undefined;
  }

  /** Passes a key and its colon. */
  #member(): boolean {
    const keys = this.#open.at(-1)!;
    this.#skipSpace();
    const start = this.#at;
    if (!this.#string()) return false;
    const key = this.#text.slice(start, this.#at);
    // Two spellings of one key differ only in escapes.
    const plain = key.includes("\\") ? (JSON.parse(key) as string) : key.slice(1, -1);
    if (keys.has(plain)) return this.#fail("duplicate-key", start);
    keys.add(plain);
    if (this.#open.length === 1) this.#key = plain;
    return this.#take(":") || this.#fail("syntax");
  }

  #string(): boolean {
    if (this.#text[this.#at] !== '"') return this.#fail("syntax");
    this.#at++;
    for (;;) {
      this.#match(PLAIN);
      const char = this.#text[this.#at];
      if (char === '"') {
        this.#at++;
        return true;
      }
      // A control character, a wrong escape, or the text ends inside the string.
      if (!this.#match(ESCAPE)) return this.#fail("syntax");
    }
  }

  /** Takes a character, after white space, if it is there. */
  #take(char: string): boolean {
    if (this.#text[this.#skipSpace()] !== char) return false;
    this.#at++;
    return true;
  }

  #match(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at;
    if (!pattern.test(this.#text)) return false;
    this.#at = pattern.lastIndex;
    return true;
  }

  #skipSpace(): number {
    while (isSpace(this.#text.charCodeAt(this.#at))) this.#at++;
    return this.#at;
  }

  #fail(kind: JsonProblem["kind"], at = this.#at): false {
    this.#problem ??= { at, kind };
    return false;
  }
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

/** "line 3, column 5" of a place in a text; both count from 1, columns in UTF-16 units. */
export function placeOf(text: string, at: number): string {
  const before = text.slice(0, at).split(/\r\n|\n|\r/);
  return `line ${before.length}, column ${before.at(-1)!.length + 1}`;
}
