import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { completionScript, flagsOf, shells } from "../../../../server/cli/line/completions.ts";
import { verbs } from "../../../../server/cli/verbs.ts";
import { pieza } from "../../../support/processes/pieza.ts";

const run = promisify(execFile);

/** What bash offers for a command line of these words, the last of which is being typed. */
async function offered(...words: string[]): Promise<string[]> {
  const script = [
    completionScript("bash", verbs),
    "compopt() { :; }",
    `COMP_WORDS=(pieza ${words.map((word) => `'${word}'`).join(" ")})`,
    `COMP_CWORD=${words.length}`,
    "_pieza",
    `printf "%s\\n" "\${COMPREPLY[@]}"`,
  ];
  const { stdout } = await run("bash", ["--norc", "-c", script.join("\n")], { cwd: import.meta.dirname });
  return stdout.split("\n").filter(Boolean);
}

describe("completions", () => {
  it("of bash offer verbs, then a verb's own flags", async () => {
    expect(await offered("e")).toEqual(["explain"]);
    expect(await offered("do")).toEqual(["doctor"]);
    expect(await offered("get", "--limit")).toEqual(["--limit-download", "--limit-upload"]);
    expect(await offered("ls", "--limit")).toEqual([]);
  });

  it("of bash know what a flag takes", async () => {
    expect(await offered("get", "x", "--sync", "")).toEqual(["piece", "batch", "none"]);
    expect(await offered("get", "x", "--transport", "g")).toEqual(["grpc"]);
    expect(await offered("get", "-o", "comple")).toEqual(["completions.test.ts"]);
    expect(await offered("get", "comple")).toEqual(["completions.test.ts"]);
    expect(await offered("get", "--limit-download", "c")).toEqual([]);
    expect(await offered("completions", "")).toEqual([...shells]);
  });

  for (const shell of shells) {
    it(`of ${shell} name every verb and every flag of it`, () => {
      const script = completionScript(shell, verbs);
      for (const spec of verbs) {
        expect(script).toContain(spec.name);
        for (const { forms } of flagsOf(spec)) {
          const long = forms[0]!;
          expect(script).toContain(shell === "fish" ? `-l ${long.slice(2)}` : long);
        }
      }
    });

    it(`of ${shell} leave no quote open`, () => {
      for (const line of completionScript(shell, verbs).split("\n")) {
        if (!line.startsWith("#")) expect(line.replaceAll("'\\''", "").split("'").length % 2).toBe(1);
      }
    });

    it(`of ${shell} are printed as they are`, async () => {
      const { code, stdout } = await pieza(["completions", shell]);
      expect(code).toBe(0);
      expect(stdout).toBe(completionScript(shell, verbs));
    });
  }

  it("end with 2 for another shell", async () => {
    expect(await pieza(["completions", "tcsh"])).toMatchObject({ code: 2 });
  });
});
