import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { downloadDefaults, resolveDownloadOptions } from "#core/download/options.ts";

describe("download options", () => {
  it("mean the default where undefined and themselves where zero", () => {
    expect(resolveDownloadOptions({ snapshotMs: undefined as never, lacksMs: 0 })).toEqual({
      ...downloadDefaults,
      lacksMs: 0,
    });
  });

  it("have the defaults that their documentation says", () => {
    const source = readFileSync(new URL("../../../core/download/options.ts", import.meta.url), "utf8");
    const documented = source.matchAll(
      /Default (?<value>[\d,]+|true|false)(?<unit> MiB)?[^*]*?\*\/\s+(?<name>\w+)\?:/g,
    );
    const defaults = [...documented].map(({ groups }) => {
      const { value, unit, name } = groups as { value: string; unit?: string; name: string };
      const plain = /^\d/.test(value)
        ? Number(value.replaceAll(",", "")) * (unit ? 1 << 20 : 1)
        : value === "true";
      return [name, plain];
    });
    expect(Object.fromEntries(defaults)).toEqual(downloadDefaults);
  });
});
