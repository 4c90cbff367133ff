import { commonOptions, type OptionName, options, serverOptions } from "./options.ts";
import type { VerbSpec } from "./verb-spec.ts";

const EXIT_CODES = `Exit codes: 0 success, 1 failure, 2 wrong usage or bad input file, 3 no such torrent, 4 no peer had the missing pieces,
  5 verification failed, 6 no space or disk error, 7 tracker or catalog unreachable, 8 token refused, 130 interrupted,
  141 the reader of the output left.
Every flag can be set by an environment variable: PIEZA_PUBLIC_URL for --public-url.
`;

/** A term and its meaning. */
type Entry = readonly [term: string, meaning: string];
type Section = readonly [heading: string, entries: readonly Entry[]];

/** In a narrower column, meanings are not wrapped, because that would not help the reader. */
const MIN_COLUMNS = 40;

/** The text of `pieza --help`. */
export function programHelp(verbs: readonly VerbSpec[], columns: number): string {
  const options: Entry[] = [
    ["-V, --version", "print the version"],
    ["-h, --help", "print this help, or after a verb the help of that verb"],
  ];
  const entries = verbs.map(({ name, args, summary }): Entry => [`${name} ${args}`.trim(), summary]);
  return [
    "Usage: pieza <verb> [options]\n\nBitTorrent over plain HTTP: share, serve and download files.\n",
    sections(["Options:", options], ["Verbs:", entries])(columns),
    EXIT_CODES,
  ].join("\n");
}

/** The text of `pieza VERB --help`. */
export function verbHelp({ name, args, summary, serves, ...spec }: VerbSpec, columns: number): string {
  const isServers = (option: OptionName) => serves && (serverOptions as readonly string[]).includes(option);
  const own = spec.options.filter((option) => !isServers(option)).map(entryOf);
  const examples = spec.examples.map((line) => `  ${line}\n`).join("");
  return [
    `Usage: pieza ${name} [options] ${args}`.trim(),
    `\n${summary[0]!.toUpperCase()}${summary.slice(1)}.\n`,
    sections(
      ["Options:", [...own, ["-h, --help", "print this help"]]],
      ["Server options:", spec.options.filter(isServers).map(entryOf)],
      ["Common options:", commonOptions.map(entryOf)],
    )(columns),
    ...(examples ? [`Examples:\n${examples}`] : []),
  ].join("\n");
}

function entryOf(name: OptionName): Entry {
  const { flags, help } = options[name];
  return [flags, help];
}

/** The sections as text; their meanings share one column. */
function sections(...given: readonly Section[]): (columns: number) => string {
  const shown = given.filter(([, entries]) => entries.length > 0);
  const indent = Math.max(...shown.flatMap(([, entries]) => entries.map(([term]) => term.length))) + 4;
  return (columns) =>
    shown
      .map(([heading, entries]) => {
        const lines = entries.map(([term, meaning]) => {
          const wrapped = wrap(meaning, columns - indent).join(`\n${" ".repeat(indent)}`);
          return `${`  ${term}`.padEnd(indent)}${wrapped}\n`;
        });
        return `${heading}\n${lines.join("")}`;
      })
      .join("\n");
}

function wrap(text: string, columns: number): string[] {
  if (columns < MIN_COLUMNS) return [text];
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1)!;
    if (line !== "" && line.length + 1 + word.length > columns) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines;
}
