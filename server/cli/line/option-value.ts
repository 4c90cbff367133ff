/** The text of an option as given: one, a list if it may be repeated, or none. */
export type Given = string | readonly string[] | undefined;

/** Checks an option's text and turns it into a value. */
export class OptionValue<T> {
  /** Throws RangeError that says what was expected. */
  readonly read: (given: Given) => T;
  /** The allowed words, for completions; empty if other text is allowed. */
  readonly words: readonly string[];

  constructor(read: (given: Given) => T, words: readonly string[] = []) {
    this.read = read;
    this.words = words;
  }

  /** The option may be missing; its value is then undefined. */
  optional(): OptionValue<T | undefined> {
    return new OptionValue((given) => (given === undefined ? undefined : this.read(given)), this.words);
  }

  default(value: T): OptionValue<T> {
    return new OptionValue((given) => (given === undefined ? value : this.read(given)), this.words);
  }
}

/** A text that must not be empty, read by `parse`, which throws RangeError for the user. */
export function parsed<T>(parse: (text: string) => T): OptionValue<T> {
  return new OptionValue((given) => {
    if (typeof given !== "string" || given === "") throw new RangeError("must not be empty");
    return parse(given);
  });
}

export const text = parsed((value) => value);

/** An option that may be given any number of times. */
export function list<T>(item: OptionValue<T>): OptionValue<T[]> {
  return new OptionValue((given = []) => [given].flat().map((value) => item.read(value)));
}

/** One of these words. */
export function choice<const Word extends string>(words: readonly Word[]): OptionValue<Word> {
  const expected = `expected ${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
  const find = parsed((value) => {
    const word = words.find((candidate) => candidate === value);
    if (word === undefined) throw new RangeError(expected);
    return word;
  });
  return new OptionValue(find.read, words);
}

/** Text that matches the pattern; `expected` describes it for the user. */
export function matching(pattern: RegExp, expected: string): OptionValue<string> {
  return parsed((value) => {
    if (!pattern.test(value)) throw new RangeError(`expected ${expected}`);
    return value;
  });
}

/** A number from `min` to `max`; `expected` describes it for the user, such as "a port, 0 to 65535". */
export function wholeNumber(min: number, max: number, expected: string): OptionValue<number> {
  return parsed((value) => {
    const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
    if (!(number >= min && number <= max)) throw new RangeError(`expected ${expected}`);
    return number;
  });
}

const on = new Set(["1", "true", "yes", "on", "y", "enabled"]);
const off = new Set(["0", "false", "no", "off", "n", "disabled"]);

/** A flag without a value. Its environment variable may turn it on or off. */
export const flag = parsed((value) => {
  const word = value.toLowerCase();
  if (!on.has(word) && !off.has(word)) throw new RangeError("expected 1 or 0");
  return on.has(word);
}).default(false);
