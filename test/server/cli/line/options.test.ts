import { describe, expect, it } from "vitest";
import { parseWords } from "../../../../server/cli/line/command-line.ts";
import { environmentName, longFlag, readFlags } from "../../../../server/cli/line/invocation.ts";
import { type OptionName, options } from "../../../../server/cli/line/options.ts";
import { optionsOf } from "../../../../server/cli/line/verb-spec.ts";
import { verbs } from "../../../../server/cli/verbs.ts";

function read<const Name extends OptionName>(
  names: readonly Name[],
  args: string[],
  env: Record<string, string>,
) {
  const parsed = parseWords(args, names);
  if (parsed === "help") throw new Error("not asked for");
  return readFlags(names, parsed.given, env);
}

describe("every verb", () => {
  it.each(verbs.map((verb) => [verb.name, verb] as const))(
    "%s has each flag and variable once",
    (_, verb) => {
      const flags = optionsOf(verb).map(longFlag);
      expect(new Set(flags).size).toBe(flags.length);
      const shorts = optionsOf(verb).flatMap((name) => /^-[a-z]/.exec(options[name].flags)?.[0] ?? []);
      expect(new Set(shorts).size).toBe(shorts.length);
    },
  );

  it("uses flags of the table only, and every flag of the table is some verb's", () => {
    const used = new Set(verbs.flatMap(optionsOf));
    expect(Object.keys(options).filter((name) => !used.has(name as OptionName))).toEqual([]);
  });
});

describe("a flag's value", () => {
  it("comes from the command line, else from the environment, else it is the default", () => {
    const env = { PIEZA_PORT: "4000" };
    expect(read(["peerPort"], ["--port", "5000"], env)).toEqual({ peerPort: 5000 });
    expect(read(["peerPort"], [], env)).toEqual({ peerPort: 4000 });
    expect(read(["peerPort"], [], {})).toEqual({ peerPort: 50_051 });
  });

  it("may be a list: repeated, or with commas or spaces in the environment", () => {
    const lists = { tracker: ["http://a.test:1", "http://b.test:2"] };
    const repeated = ["--tracker", "http://a.test:1/", "--tracker", "http://b.test:2"];
    expect(read(["tracker"], repeated, {})).toEqual(lists);
    expect(read(["tracker"], [], { PIEZA_TRACKER: "http://a.test:1, http://b.test:2" })).toEqual(lists);
  });

  it("is on or off, whether the flag begins with --no- or not", () => {
    const off = { noRateLimit: false, open: false };
    expect(read(["noRateLimit", "open"], [], {})).toEqual(off);
    expect(read(["noRateLimit", "open"], [], { PIEZA_NO_RATE_LIMIT: "0", PIEZA_OPEN: "" })).toEqual(off);
    const on = { noRateLimit: true, open: true };
    expect(read(["noRateLimit", "open"], ["--no-rate-limit", "--open"], {})).toEqual(on);
    expect(read(["noRateLimit", "open"], [], { PIEZA_NO_RATE_LIMIT: "1", PIEZA_OPEN: "yes" })).toEqual(on);
  });

  it.each([
    ["peerPort", ["--port", "70000"], {}, "--port: expected a port, 0 to 65535"],
    ["peerPort", ["--port", ""], {}, "--port: must not be empty"],
    ["peerPort", ["--port", "0x10"], {}, "--port: expected a port, 0 to 65535"],
    ["peerPort", [], { PIEZA_PORT: "http" }, "PIEZA_PORT: expected a port, 0 to 65535"],
    [
      "catalog",
      ["--catalog", "localhost"],
      {},
      '--catalog: expected a URL such as http://127.0.0.1:50050, got "localhost"',
    ],
    [
      "giveUpAfter",
      [],
      { PIEZA_GIVE_UP_AFTER: "soon" },
      'PIEZA_GIVE_UP_AFTER: expected a time such as 20s, 500ms or 2h, got "soon"',
    ],
    ["sync", ["--sync", "often"], {}, "--sync: expected piece, batch or none"],
    ["open", [], { PIEZA_OPEN: "perhaps" }, "PIEZA_OPEN: expected 1 or 0"],
    ["out", ["--out", ""], {}, "--out: must not be empty"],
  ] as const)("of %s that is wrong is named: %s %o", (name, args, env, message) => {
    expect(() => read([name], [...args], env)).toThrow(message);
  });

  it("has the variable that its flag says", () => {
    expect(environmentName("noRateLimit")).toBe("PIEZA_NO_RATE_LIMIT");
    expect(environmentName("out")).toBe("PIEZA_OUT");
  });
});
