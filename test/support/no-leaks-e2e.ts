import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { type Counts, countOf, expectNoLeaks, held } from "./leaks.ts";

/**
 * For tests on real processes. Where each test starts all that it needs, what it left is asked after each; where one
 * swarm or one browser is for all tests of a file, after the last. Then there is no process, whoever started it and even
 * if who did so is gone; no port, since a process has it; no file or folder among the temporary ones, no mount there and
 * no network; and in the test's own process no timer, no socket and no open file.
 *
 * The processes of one file of tests know each other by a folder for temporary files of their own.
 */
const everybodys = tmpdir();
const folder = mkdtempSync(join(everybodys, "pieza-e2e-"));
// Only to be fast: what Node has compiled once is good for every process of every test.
process.env.NODE_COMPILE_CACHE ??= join(everybodys, "node-compile-cache");
process.env.TMPDIR = folder;
const mark = `TMPDIR=${folder}`;
/** What Chromium leaves when it is ended while it writes to one of its own files. */
const CHROMIUMS = /^\.org\.chromium\.Chromium\./;

// The last hook of all: those that look run before it.
afterAll(() => rmSync(folder, { recursive: true, force: true }));
expectNoLeaks(
  look,
  /\/(comings-and-goings|faults|folder|replication|roles|swarm|page-(hero|limits|publish|resume))\.test\.ts$/,
);

function look(): Counts {
  const names = readdirSync(folder).filter((name) => !CHROMIUMS.test(name));
  const temporary = names.map((name) => `temporary ${name}`);
  return { ...held(), ...countOf([...temporary, ...processes(), ...mounts(), ...networks()]) };
}

/** Every process that was started here, or by one that was. */
function processes(): string[] {
  const ids = read("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  return ids
    .filter((id) => text(`/proc/${id}/environ`).split("\0").includes(mark))
    .map((id) => `process ${id} ${text(`/proc/${id}/cmdline`).replaceAll("\0", " ")}`);
}

function mounts(): string[] {
  const places = text("/proc/self/mounts").split("\n");
  return places.filter((place) => place.includes(folder)).map((place) => `mount ${place}`);
}

/** Network namespaces that were made here have this process's id in their names. */
function networks(): string[] {
  const names = read("/run/netns").filter((name) => name.includes(`-${process.pid}-`));
  return names.map((name) => `network ${name}`);
}

/** Empty where there is nothing any more, or no /proc. */
function read(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function text(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
