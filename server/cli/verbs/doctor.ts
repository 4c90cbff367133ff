import { PiezaError } from "#core/base/errors.ts";
import { readCa } from "../clients/client-flags.ts";
import { trackersFor } from "../clients/find-trackers.ts";
import { findTorrent } from "../clients/torrent-source.ts";
import { lookAtServer, roleOf } from "../doctor/check-server.ts";
import { checkSpace, lookAtSwarm } from "../doctor/check-torrent.ts";
import { checkBuffers } from "../doctor/check-windows.ts";
import { type Finding, type LookOptions, problem } from "../doctor/finding.ts";
import { CliError, ExitCode } from "../line/exit-code.ts";
import type { Invocation } from "../line/invocation.ts";
import type { CommonOption } from "../line/options.ts";
import type { Output } from "../line/output.ts";
import { plural } from "../line/units.ts";

type DoctorInvocation = Invocation<"dir" | "tracker" | "catalog" | CommonOption>;

const MARKS: Record<Finding["level"], string> = { ok: "ok     ", warning: "warning", problem: "PROBLEM" };

export async function run(invocation: DoctorInvocation): Promise<void> {
  const { args, flags, out, signal } = invocation;
  const options = { ca: await readCa(flags), signal };
  const counts = { ok: 0, warning: 0, problem: 0 };
  const looks = isServer(args[0]!) ? lookAtUrl(args[0]!, options) : lookAtTorrent(invocation, options);
  for await (const finding of looks) {
    counts[finding.level]++;
    say(finding, out);
  }
  if (counts.problem > 0) {
    throw new CliError(
      ExitCode.FAILED,
      `${plural(counts.problem, "problem")}, ${plural(counts.warning, "warning")}`,
    );
  }
  out.event("done", { ...counts }, `No problem, ${plural(counts.warning, "warning")}.`);
}

function say({ check, level, subject, message, advice }: Finding, out: Output): void {
  const lines = [`${MARKS[level]}  ${check.padEnd(7)}  ${subject}: ${message}`];
  if (advice) lines.push(`                  ${advice}`);
  out.result("finding", { check, level, subject, message, advice }, ...lines);
}

/** A server's own URL, not that of a torrent there. */
function isServer(text: string): boolean {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return false;
  const { pathname, hash } = new URL(text);
  return pathname === "/" && !hash.startsWith("#/t/");
}

async function* lookAtUrl(text: string, options: LookOptions): AsyncGenerator<Finding> {
  const { findings, overview } = await lookAtServer(new URL(text).origin, undefined, options);
  yield* findings;
  if (roleOf(overview) === "catalog") {
    const trackers = Array.isArray(overview?.trackers) ? overview.trackers : [];
    for (const tracker of trackers.filter((url) => typeof url === "string")) {
      yield* (await lookAtServer(tracker, "tracker", options)).findings;
    }
  }
  yield* await ownMachine();
}

async function* lookAtTorrent(
  { args, flags, signal }: DoctorInvocation,
  options: LookOptions,
): AsyncGenerator<Finding> {
  const found = await findTorrent(args[0]!, flags, signal).catch(async (error) => {
    if (error instanceof PiezaError && error.code === "unavailable") return undefined;
    throw error;
  });
  // A file or a URL of its own would have failed in other words: it is the catalog that does not answer.
  if (!found) return yield* (await lookAtServer(flags.catalog, "catalog", options)).findings;
  const trackers = await trackersFor(found, flags, signal);
  yield checkSpace(found.torrent, flags.dir);
  yield* await ownMachine();
  if (trackers.length === 0) {
    const advice = "say --tracker; or have the catalog name one (pieza catalog --tracker)";
    yield problem("tracker", found.torrent.fileName, "no tracker is known for it", advice);
  }
  yield* lookAtSwarm(found.torrent, trackers, flags, options);
}

async function ownMachine(): Promise<Finding[]> {
  const buffers = await checkBuffers();
  return buffers ? [buffers] : [];
}
