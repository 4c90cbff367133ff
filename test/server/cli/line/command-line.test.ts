import { describe, expect, it } from "vitest";
import { parseCommandLine } from "../../../../server/cli/line/command-line.ts";
import { programHelp, verbHelp } from "../../../../server/cli/line/help.ts";
import { longFlag } from "../../../../server/cli/line/invocation.ts";
import { optionsOf } from "../../../../server/cli/line/verb-spec.ts";
import { verbs } from "../../../../server/cli/verbs.ts";

/** Arguments and flags of a line, as the shell would cut it at its spaces. */
function read(line: string) {
  const command = parseCommandLine(line.split(" "), verbs);
  if (command.kind !== "run") return command.kind;
  return { verb: command.spec.name, args: command.args, given: Object.fromEntries(command.given) };
}

describe("a command line", () => {
  it.each([
    ["get a b -o -", { args: ["a", "b"], given: { out: "-" } }],
    ["get -d to a --json b", { args: ["a", "b"], given: { dir: "to", json: "1" } }],
    ["get --dir=to -j4 a", { args: ["a"], given: { dir: "to", jobs: "4" } }],
    ["get -qvj 4 a", { args: ["a"], given: { quiet: "1", verbose: "1", jobs: "4" } }],
    ["get a --out=x=y", { args: ["a"], given: { out: "x=y" } }],
    ["get -o -q a", { args: ["a"], given: { out: "-q" } }],
    ["get -- -q --out", { args: ["-q", "--out"], given: {} }],
    ["get a --select 1 --select 2,3", { args: ["a"], given: { select: ["1", "2,3"] } }],
    ["--json get a", { args: ["a"], given: { json: "1" } }],
    ["get a -j 1 -j 2", { args: ["a"], given: { jobs: "2" } }],
  ])("%s", (line, expected) => expect(read(line)).toEqual({ verb: "get", ...expected }));

  it.each([
    ["--help", "help"],
    ["-h", "help"],
    ["--version", "version"],
    ["get a --json -h", "help"],
    ["create --help", "help"],
    ["help", "help"],
    ["help get", "help"],
    ["--json --version", "version"],
    ["--version --json", "version"],
    ["--json --help", "help"],
  ])("%s asks for %s", (line, kind) => expect(read(line)).toBe(kind));

  it("asks for the help of a verb in two ways, and for an event with --json", () => {
    const parse = (line: string) => parseCommandLine(line.split(" "), verbs);
    expect(parse("help get")).toEqual(parse("get --help"));
    expect(parse("help get --json")).toEqual(parse("get --json --help"));
    expect(parse("get --help")).toMatchObject({ spec: { name: "get" }, json: false });
    expect(parse("--json help get")).toMatchObject({ spec: { name: "get" }, json: true });
  });

  it("of nothing asks for nothing", () => expect(parseCommandLine([], verbs).kind).toBe("nothing"));

  it.each([
    ["gte a", "there is no verb gte; did you mean get?"],
    ["xyzzy", "there is no verb xyzzy; see pieza --help"],
    ["help gte", "there is no verb gte; did you mean get?"],
    ["--quiet get", "there is no option --quiet; see pieza --help"],
    ["get --limt-download 3", "there is no option --limt-download; did you mean --limit-download?"],
    ["get -x", "there is no option -x"],
    ["get -qx", "there is no option -x"],
    ["get --json=1", "--json takes no value"],
    ["get --out", "-o, --out <path> needs a value"],
    ["create", "create needs a <path>"],
    ["info a b", "too many arguments for info: b"],
    ["tracker x", "too many arguments for tracker: x"],
  ])("%s is refused in words", (line, message) => {
    expect(() => read(line)).toThrow(message);
  });
});

describe("help", () => {
  it("of the program has every verb, and keeps to the width", () => {
    const text = programHelp(verbs, 80);
    for (const { name } of verbs) expect(text).toMatch(new RegExp(`^ {2}${name}\\b`, "m"));
    const [, , listed] = text.split(/^Options:|^Exit codes/m);
    expect(listed).toBeDefined();
    expect(
      Math.max(
        ...text
          .split("Exit codes")[0]!
          .split("\n")
          .map((line) => line.length),
      ),
    ).toBeLessThanOrEqual(80);
  });

  it.each(verbs.map((spec) => [spec.name, spec] as const))("of %s has each of its flags once", (_, spec) => {
    const text = verbHelp(spec, 80);
    for (const name of optionsOf(spec)) {
      expect(text.match(new RegExp(`^ {2}(-\\w, )?${longFlag(name)}\\b(?!-)`, "gm"))).toHaveLength(1);
    }
    for (const example of spec.examples) expect(text).toContain(example);
  });
});
