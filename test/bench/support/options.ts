import { tmpdir } from "node:os";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { root } from "../../../scripts/run-command.ts";

export interface BenchOptions {
  /** Measured runs of every row; at least 1. */
  readonly runs: number;
  readonly sizeBytes: number;
  /** Parts of names; a row runs if its name has one of them, or if there are none. */
  readonly rows: readonly string[];
  /** Where the bench makes its temporary folder: the disk that is measured. */
  readonly folder: string;
  /** The `pieza` that is measured: of the checkout, or of the built package. */
  readonly entry: string;
}

const usage = `
  --runs N      measured runs of every row, after one that is not (default 5)
  --size MIB    size of the file in MiB (default DEFAULT)
  --rows TEXT   only rows whose name contains TEXT; several with commas
  --dir DIR     where the temporary folder goes (default ${tmpdir()})
  --pieza FILE  the command to measure (default server/cli/pieza.js), such as dist/server/cli/pieza.js after a build
`;

/** What the command line says. Prints the usage and ends the process for --help and for flags that there are not. */
export function benchOptions(summary: string, defaultSizeMiB = 1024): BenchOptions {
  const help = `${summary}\n${usage.replace("DEFAULT", String(defaultSizeMiB))}`;
  try {
    const { values } = parseArgs({
      options: {
        runs: { type: "string", default: "5" },
        size: { type: "string", default: String(defaultSizeMiB) },
        rows: { type: "string", default: "" },
        dir: { type: "string", default: tmpdir() },
        pieza: { type: "string", default: `${root}server/cli/pieza.js` },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (!values.help) {
      return {
        runs: atLeastOne(values.runs, "--runs"),
        sizeBytes: atLeastOne(values.size, "--size") * 2 ** 20,
        rows: values.rows.split(",").filter((text) => text !== ""),
        folder: resolve(values.dir),
        entry: resolve(values.pieza),
      };
    }
    console.log(help);
    process.exit(0);
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${help}`);
    process.exit(2);
  }
}

/** Whether --rows lets this row run. */
export function isWanted(name: string, { rows }: BenchOptions): boolean {
  return rows.length === 0 || rows.some((part) => name.toLowerCase().includes(part.toLowerCase()));
}

function atLeastOne(text: string, flag: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new RangeError(`${flag}: "${text}" is no whole number from 1`);
  return value;
}
