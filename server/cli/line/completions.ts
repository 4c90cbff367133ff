import { environmentName, longFlag, shortFlag } from "./invocation.ts";
import { type OptionName, type OptionSpec, options } from "./options.ts";
import { optionsOf, type VerbSpec } from "./verb-spec.ts";

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

interface Flag {
  readonly long: string;
  /** One letter, or empty. */
  readonly short: string;
  readonly help: string;
  /** What it takes: nothing, one of a few words, or a word of what kind. */
  readonly value: "none" | "file" | "folder" | "text" | readonly string[];
}

/** The script that completes `pieza` in a shell, for that shell to read when it starts. */
export function completionScript(shell: Shell, verbs: readonly VerbSpec[]): string {
  const writers: Record<Shell, (verbs: readonly VerbSpec[]) => string[]> = { bash, zsh, fish };
  return `${writers[shell](verbs).join("\n")}\n`;
}

/** The flags of a verb as shells see them. */
export function flagsOf(spec: VerbSpec): Flag[] {
  return optionsOf(spec).map((name) => flagOf(name));
}

function flagOf(name: OptionName): Flag {
  const spec: OptionSpec = options[name];
  const short = shortFlag(name)?.slice(1) ?? "";
  const kind = /<(\w+)>/.exec(spec.flags)?.[1];
  const help = `${spec.help} (${environmentName(name)})`;
  return {
    long: longFlag(name),
    short,
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
  return /<(path|torrent|download|what)|\[(path|torrent)/.test(args);
}

/** Words after the verb that are no flags. */
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
    `    COMPREPLY=($(compgen -W '${verbs.map(({ name }) => name).join(" ")} --help --version' -- "$word"))`,
    "    return",
    "  fi",
    '  case "$verb $before" in',
  ];
  for (const spec of verbs) lines.push(...bashValues(spec));
  lines.push("  esac", '  case "$verb" in');
  for (const spec of verbs) {
    const words = flagsOf(spec).flatMap(({ long, short }) => [long, ...(short ? [`-${short}`] : [])]);
    const plain = takesFiles(spec)
      ? 'compopt -o filenames; COMPREPLY=($(compgen -f -- "$word"))'
      : `COMPREPLY=($(compgen -W '${wordsOf(spec).join(" ")}' -- "$word"))`;
    lines.push(
      `    ${spec.name})`,
      `      if [[ "$word" == -* ]]; then COMPREPLY=($(compgen -W '${words.join(" ")} --help' -- "$word"))`,
      `      else ${plain}; fi;;`,
    );
  }
  return [...lines, "  esac", "}", "complete -F _pieza pieza"];
}

function bashWord(index: string): string {
  return `\${COMP_WORDS[${index}]}`;
}

function bashValues(spec: VerbSpec): string[] {
  return flagsOf(spec).flatMap(({ long, short, value }) => {
    if (value === "none") return [];
    const cases = [long, ...(short ? [`-${short}`] : [])].map((flag) => `"${spec.name} ${flag}"`).join("|");
    const words = {
      file: 'compopt -o filenames; COMPREPLY=($(compgen -f -- "$word"))',
      folder: 'compopt -o filenames; COMPREPLY=($(compgen -d -- "$word"))',
      text: ":",
    };
    const action =
      typeof value === "string" ? words[value] : `COMPREPLY=($(compgen -W '${value.join(" ")}' -- "$word"))`;
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

function zshFlag({ long, short, help, value }: Flag): string[] {
  const text = help.replace(/([[\]:\\])/g, "\\$1");
  const actions = { none: "", file: ":file:_files", folder: ":folder:_files -/", text: ":value: " };
  const action = typeof value === "string" ? actions[value] : `:value:(${value.join(" ")})`;
  return [long, ...(short ? [`-${short}`] : [])].map((flag) => quoted(`*${flag}[${text}]${action}`));
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
    for (const { long, short, help, value } of flagsOf(spec)) {
      const actions = {
        none: "",
        file: " -r -F",
        folder: " -x -a '(__fish_complete_directories)'",
        text: " -x",
      };
      const action = typeof value === "string" ? actions[value] : ` -x -a ${quoted(value.join(" "))}`;
      const letter = short ? ` -s ${short}` : "";
      lines.push(`complete -c pieza ${inVerb} -l ${long.slice(2)}${letter}${action} -d ${quoted(help)}`);
    }
  }
  return lines;
}

/** In single quotes, as bash, zsh and fish read them. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
