import { environmentName, formsOf } from "./invocation.ts";
import { type OptionName, type OptionSpec, options } from "./options.ts";
import { optionsOf, type VerbSpec } from "./verb-spec.ts";

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

interface Flag {
  /** "--out" and, if it has one, "-o". */
  readonly forms: readonly string[];
  readonly help: string;
  /** The kind of the flag's value, or the words that it may be. */
  readonly value: "none" | "file" | "folder" | "text" | readonly string[];
}

/** The script that a shell reads to complete the verbs, flags and values of `pieza`. */
export function completionScript(shell: Shell, verbs: readonly VerbSpec[]): string {
  const writers: Record<Shell, (verbs: readonly VerbSpec[]) => string[]> = { bash, zsh, fish };
  return `${writers[shell](verbs).join("\n")}\n`;
}

/** The flags of a verb, the common ones included. */
export function flagsOf(spec: VerbSpec): Flag[] {
  return optionsOf(spec).map((name) => flagOf(name));
}

function flagOf(name: OptionName): Flag {
  const spec: OptionSpec = options[name];
  const kind = /<(\w+)>/.exec(spec.flags)?.[1];
  const help = `${spec.help} (${environmentName(name)})`;
  return {
    forms: formsOf(name),
    help,
    value: kind === undefined ? "none" : valueTaken(kind, spec.value.words),
  };
}

function valueTaken(kind: string, words: readonly string[]): Flag["value"] {
  if (words.length > 0) return words;
  if (kind === "dir") return "folder";
  return kind === "file" || kind === "path" ? "file" : "text";
}

function takesFiles({ args }: VerbSpec): boolean {
  return /<(path|torrent|download|target)|\[(path|torrent)/.test(args);
}

/** The words that may be a verb's argument, if there are only a few. */
function wordsOf({ name }: VerbSpec): readonly string[] {
  return name === "completions" ? shells : [];
}

function bash(verbs: readonly VerbSpec[]): string[] {
  const lines = [
    "# pieza completions bash; for this shell: source <(pieza completions bash)",
    "_pieza() {",
    `  local word="${bashWord("COMP_CWORD")}" before="${bashWord("COMP_CWORD-1")}" verb="${bashWord("1")}"`,
    "  COMPREPLY=()",
    '  if [ "$COMP_CWORD" -eq 1 ]; then',
    `    ${bashChoice([...verbs.map(({ name }) => name), "--help", "--version"])}`,
    "    return",
    "  fi",
    '  case "$verb $before" in',
  ];
  for (const spec of verbs) lines.push(...bashValues(spec));
  lines.push("  esac", '  case "$verb" in');
  for (const spec of verbs) {
    const words = flagsOf(spec).flatMap(({ forms }) => forms);
    const plain = takesFiles(spec) ? bashFiles : bashChoice(wordsOf(spec));
    lines.push(
      `    ${spec.name})`,
      `      if [[ "$word" == -* ]]; then ${bashChoice([...words, "--help"])}`,
      `      else ${plain}; fi;;`,
    );
  }
  return [...lines, "  esac", "}", "complete -F _pieza pieza"];
}

const bashFiles = 'compopt -o filenames; COMPREPLY=($(compgen -f -- "$word"))';

function bashChoice(words: readonly string[]): string {
  return `COMPREPLY=($(compgen -W '${words.join(" ")}' -- "$word"))`;
}

function bashWord(index: string): string {
  return `\${COMP_WORDS[${index}]}`;
}

function bashValues(spec: VerbSpec): string[] {
  return flagsOf(spec).flatMap(({ forms, value }) => {
    if (value === "none") return [];
    const cases = forms.map((flag) => `"${spec.name} ${flag}"`).join("|");
    const actions = { file: bashFiles, folder: bashFiles.replace("-f", "-d"), text: ":" };
    const action = typeof value === "string" ? actions[value] : bashChoice(value);
    return [`    ${cases}) ${action}; return;;`];
  });
}

function zsh(verbs: readonly VerbSpec[]): string[] {
  const lines = [
    "#compdef pieza",
    "# pieza completions zsh; in a folder of $fpath as _pieza, or: source <(pieza completions zsh)",
    "_pieza() {",
    "  local -a verbs",
    "  verbs=(",
    ...verbs.map(({ name, summary }) => `    ${quoted(`${name}:${summary}`)}`),
    "  )",
    "  if (( CURRENT == 2 )); then",
    "    _describe verb verbs",
    "    return",
    "  fi",
    "  local verb=$words[2]",
    "  shift words",
    "  (( CURRENT-- ))",
    "  case $verb in",
  ];
  for (const spec of verbs) {
    const rest = takesFiles(spec) ? "*:file:_files" : `*::word:(${wordsOf(spec).join(" ")})`;
    const specs = [...flagsOf(spec).flatMap(zshFlag), quoted("--help[print help]"), quoted(rest)];
    lines.push(`    ${spec.name}) _arguments \\`, ...specs.map((text) => `      ${text} \\`), "    ;;");
  }
  return [
    ...lines,
    "  esac",
    "}",
    'if [ "$funcstack[1]" = "_pieza" ]; then _pieza; else compdef _pieza pieza; fi',
  ];
}

function zshFlag({ forms, help, value }: Flag): string[] {
  const text = help.replace(/([[\]:\\])/g, "\\$1");
  const actions = { none: "", file: ":file:_files", folder: ":folder:_files -/", text: ":value: " };
  const action = typeof value === "string" ? actions[value] : `:value:(${value.join(" ")})`;
  return forms.map((flag) => quoted(`*${flag}[${text}]${action}`));
}

function fish(verbs: readonly VerbSpec[]): string[] {
  const lines = [
    "# pieza completions fish; for this user: pieza completions fish > ~/.config/fish/completions/pieza.fish",
    "complete -c pieza -f",
  ];
  for (const spec of verbs) {
    const inVerb = `-n ${quoted(`__fish_seen_subcommand_from ${spec.name}`)}`;
    lines.push(`complete -c pieza -n __fish_use_subcommand -a ${spec.name} -d ${quoted(spec.summary)}`);
    if (takesFiles(spec)) lines.push(`complete -c pieza ${inVerb} -F`);
    for (const word of wordsOf(spec)) lines.push(`complete -c pieza ${inVerb} -a ${word}`);
    for (const { forms, help, value } of flagsOf(spec)) {
      const actions = {
        none: "",
        file: " -r -F",
        folder: " -x -a '(__fish_complete_directories)'",
        text: " -x",
      };
      const action = typeof value === "string" ? actions[value] : ` -x -a ${quoted(value.join(" "))}`;
      const [long, short] = forms;
      const letter = short ? ` -s ${short.slice(1)}` : "";
      lines.push(`complete -c pieza ${inVerb} -l ${long!.slice(2)}${letter}${action} -d ${quoted(help)}`);
    }
  }
  return lines;
}

/** The text in single quotes for bash, zsh and fish. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
