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

/**
 * Checks a text by the grammar of JSON (RFC 8259), with bounded nesting and without a key that is in an object twice:
 * of such a key JSON.parse takes the last value, and other programs the first. Undefined for a text without a problem.
 */
export function checkJson(text: string): JsonProblem | undefined {
  return new JsonCheck(text).run();
}

class JsonCheck {
  readonly #text: string;
  #at = 0;
  /** Objects and lists so far. */
  #opened = 0;
  #problem: JsonProblem | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  run(): JsonProblem | undefined {
    if (this.#value(0) && this.#skipSpace() < this.#text.length) this.#fail("syntax");
    return this.#problem;
  }

  /** Each of these methods passes what it is called after, or notes the problem and returns false. */
  #value(depth: number): boolean {
    this.#skipSpace();
    const char = this.#text[this.#at];
    if (char === '"') return this.#string();
    if (char === "{" || char === "[") {
      if (depth === MAX_DEPTH) return this.#fail("too-deep");
      if (++this.#opened > MAX_BRACKETS) return this.#fail("too-many");
      this.#at++;
      return char === "{" ? this.#members(depth + 1) : this.#elements(depth + 1);
    }
    return this.#match(NUMBER) || this.#match(WORD) || this.#fail("syntax");
  }

  #members(depth: number): boolean {
    if (this.#take("}")) return true;
    const keys = new Set<string>();
    do {
      this.#skipSpace();
      const start = this.#at;
      if (!this.#string()) return false;
      const key = this.#text.slice(start, this.#at);
      // Two spellings of one key differ only in escapes.
      const plain = key.includes("\\") ? JSON.parse(key) : key.slice(1, -1);
      if (keys.has(plain)) return this.#fail("duplicate-key", start);
      keys.add(plain);
      if (!this.#take(":")) return this.#fail("syntax");
      if (!this.#value(depth)) return false;
    } while (this.#take(","));
    return this.#take("}") || this.#fail("syntax");
  }

  #elements(depth: number): boolean {
    if (this.#take("]")) return true;
    do {
      if (!this.#value(depth)) return false;
    } while (this.#take(","));
    return this.#take("]") || this.#fail("syntax");
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
