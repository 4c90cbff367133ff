import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { PiezaError, StoreFailed } from "#core/base/errors.ts";
import { adviceOn } from "../../../../server/cli/line/advice.ts";
import { Output } from "../../../../server/cli/line/output.ts";
import { nodeDisk } from "../../../../server/peer/stores/disk.ts";

function output(columns?: number) {
  const stderr = Object.assign(new PassThrough(), { isTTY: true, ...(columns !== undefined && { columns }) });
  const out = new Output({ json: false, quiet: false, verbose: false, stdout: new PassThrough(), stderr });
  return { out, printed: () => String(stderr.read() ?? "") };
}

describe("an error", () => {
  it("of the disk names the path that the system refused, once", () => {
    const { out, printed } = output();
    let failed: unknown;
    try {
      nodeDisk.makeFolder("/proc/forbidden");
    } catch (error) {
      failed = error;
    }
    expect(failed).toBeInstanceOf(StoreFailed);
    out.error(failed);
    expect(printed()).toMatch(/^pieza: making a folder failed: .* \(\/proc\/forbidden\)\n$/);
    out.error(new Error("no /proc/forbidden", { cause: failed }));
    expect(printed()).toBe("pieza: no /proc/forbidden\n");
  });

  it.each([
    ["already_exists", "a exists already", "; --replace replaces it"],
    ["unauthenticated", "this call needs the server's token", "; give it with --token or PIEZA_TOKEN"],
    ["permission_denied", "the token is not this server's", "; give another with --token or PIEZA_TOKEN"],
    ["permission_denied", "http://a answered 403 Forbidden", ""],
    ["not_found", "the catalog has no such token", ""],
  ] as const)("%s, %j, is followed by %j", (code, message, advice) => {
    expect(adviceOn(new PiezaError(code, message), ["overwrite"])).toBe(advice);
  });

  it("is followed by no flag that the verb does not take", () => {
    expect(adviceOn(new PiezaError("already_exists", "it is taken"), ["catalog"])).toBe("");
  });
});

it("a terminal that does not know its width counts as one of 80 columns", () => {
  const widths: number[] = [];
  for (const columns of [0, undefined, 60]) {
    output(columns).out.draw((canvas) => {
      widths.push(canvas.columns);
      return [];
    });
  }
  expect(widths).toEqual([80, 80, 60]);
});
