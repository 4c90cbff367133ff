/** What a person gave for an option: its text, one for each time it was given, or nothing. */
export type Given = string | readonly string[] | undefined;

/** What an option's text has to be, and what becomes of it. */
export class OptionValue<T> {
  /** Throws RangeError with a sentence that says what was expected. */
  readonly read: (given: Given) => T;
  /** All there is to say, where that is a few words; for completions. */
  readonly words: readonly string[];

  constructor(read: (given: Given) => T, words: readonly string[] = []) {
    this.read = read;
    this.words = words;
  }

  /** It may be left out. */
  optional(): OptionValue<T | undefined> {
    return new OptionValue((given) => (given === undefined ? undefined : this.read(given)), this.words);
  }

  default(value: T): OptionValue<T> {
    return new OptionValue((given) => (given === undefined ? value : this.read(given)), this.words);
  }
}

/** A text that is not empty, as `parse` reads it. What that throws is told to the person. */
export function parsed<T>(parse: (text: string) => T): OptionValue<T> {
  return new OptionValue((given) => {
    if (typeof given !== "string" || given === "") throw new RangeError("must not be empty");
    return parse(given);
  });
}

export const text = parsed((value) => value);

/** Given any number of times. */
export function list<T>(item: OptionValue<T>): OptionValue<T[]> {
  return new OptionValue((given = []) => [given].flat().map((value) => item.read(value)));
}

/** One of a few words. */
export function choice<const Word extends string>(words: readonly Word[]): OptionValue<Word> {
  const expected = `expected ${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
  const find = parsed((value) => {
    const word = words.find((candidate) => candidate === value);
    if (word === undefined) throw new RangeError(expected);
    return word;
  });
  return new OptionValue(find.read, words);
}

/** Text of one form, which `expected` names. */
export function matching(pattern: RegExp, expected: string): OptionValue<string> {
  return parsed((value) => {
    if (!pattern.test(value)) throw new RangeError(`expected ${expected}`);
    return value;
  });
}

/** `expected` says what, for people: "a port, 0 to 65535". */
export function wholeNumber(min: number, max: number, expected: string): OptionValue<number> {
  return parsed((value) => {
    const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
    if (!(number >= min && number <= max)) throw new RangeError(`expected ${expected}`);
    return number;
  });
}

const on = new Set(["1", "true", "yes", "on", "y", "enabled"]);
const off = new Set(["0", "false", "no", "off", "n", "disabled"]);

/** A flag without a value is "1"; its environment variable may say either. */
export const flag = parsed((value) => {
  const word = value.toLowerCase();
  if (!on.has(word) && !off.has(word)) throw new RangeError("expected 1 or 0");
  return on.has(word);
}).default(false);
