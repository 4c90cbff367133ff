import { PiezaError } from "#core/base/errors.ts";
import { isServerUrl } from "#core/base/server-url.ts";
import { readCa } from "../clients/client-flags.ts";
import { dataDir } from "../clients/data-dir.ts";
import { trackersFor } from "../clients/find-trackers.ts";
import { type FoundTorrent, findTorrent } from "../clients/torrent-source.ts";
import { checkServer, kindOf } from "../doctor/check-server.ts";
import { checkSpace, checkSwarm } from "../doctor/check-torrent.ts";
import { checkUploads } from "../doctor/check-uploads.ts";
import { checkBuffers } from "../doctor/check-windows.ts";
import { type CheckOptions, type Finding, problem } from "../doctor/finding.ts";
import { CliError, ExitCode } from "../line/exit-code.ts";
import type { Output } from "../line/output.ts";
import { plural } from "../line/units.ts";
import type { VerbInvocation } from "../line/verb-options.ts";

const NO_URL = "it names a tracker without a valid URL";

const MARKS: Record<Finding["level"], string> = { ok: "ok     ", warning: "warning", problem: "PROBLEM" };

export async function runDoctor(invocation: VerbInvocation<"doctor">): Promise<void> {
  const { args, flags, out, signal } = invocation;
  const options = { ca: await readCa(flags), signal };
  const counts = { ok: 0, warning: 0, problem: 0 };
  const findings = isServer(args[0]!)
    ? checkUrl(args[0]!, dataDir(flags), options)
    : checkTorrent(invocation, options);
  for await (const finding of findings) {
    counts[finding.level]++;
    print(finding, out);
  }
  if (counts.problem > 0) {
    throw new CliError(
      ExitCode.FAILED,
      `${plural(counts.problem, "problem")}, ${plural(counts.warning, "warning")}`,
    );
  }
  out.event("done", { ...counts }, `No problem, ${plural(counts.warning, "warning")}.`);
}

function print({ check, level, subject, message, advice }: Finding, out: Output): void {
  const lines = [`${MARKS[level]}  ${check.padEnd(7)}  ${subject}: ${message}`];
  if (advice) lines.push(`                  ${advice}`);
  out.result("finding", { check, level, subject, message, advice }, ...lines);
}

/** Whether the text is the URL of a server, and not of a torrent on that server. */
function isServer(text: string): boolean {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return false;
  const { pathname, hash } = new URL(text);
  return pathname === "/" && !hash.startsWith("#/t/");
}

/** Checks a server, and the trackers and upload peers that it names if it is a catalog. */
async function* checkUrl(text: string, folder: string, options: CheckOptions): AsyncGenerator<Finding> {
  const { origin } = new URL(text);
  const checked = await checkServer(origin, undefined, options);
  yield* checked.findings;
  const { overview } = checked;
  if (kindOf(overview) === "catalog") {
    const trackers: readonly unknown[] = Array.isArray(overview?.trackers) ? overview.trackers : [];
    for (const tracker of trackers) {
      if (isServerUrl(tracker)) yield* (await checkServer(tracker, "tracker", options)).findings;
      else yield problem("tracker", origin, NO_URL, "correct the --tracker of the catalog");
    }
    yield* checkUploads(origin, checked, folder, options);
  }
  yield* await checkMachine();
}

async function* checkTorrent(
  { args, flags, out, signal }: VerbInvocation<"doctor">,
  options: CheckOptions,
): AsyncGenerator<Finding> {
  let found: FoundTorrent;
  try {
    found = await findTorrent(args[0]!, flags, signal);
  } catch (error) {
    if (!(error instanceof PiezaError) || error.code !== "unavailable") throw error;
    return yield* checkWhereItIs(args[0]!, error, flags.catalog, options);
  }
  const trackers = await trackersFor(found, flags, out, signal);
  yield checkSpace(found.torrent, flags.dir);
  yield* await checkMachine();
  if (trackers.length === 0) {
    const advice = "give --tracker, or let the catalog name one (pieza catalog --tracker)";
    yield problem("tracker", found.torrent.fileName, "no tracker is known for this torrent", advice);
  }
  yield* checkSwarm(found.torrent, trackers, flags, options);
}

/** Checks the server that a torrent could not be read from: that of its URL, else the catalog. */
async function* checkWhereItIs(
  torrent: string,
  error: PiezaError,
  catalog: string,
  options: CheckOptions,
): AsyncGenerator<Finding> {
  const isUrl = URL.canParse(torrent) && /^https?:\/\//i.test(torrent);
  const { findings, usable } = isUrl
    ? await checkServer(new URL(torrent).origin, undefined, options)
    : await checkServer(catalog, "catalog", options);
  yield* findings;
  if (usable)
    yield problem("server", torrent, error.message, "check the URL or name, and see the server's log");
}

async function checkMachine(): Promise<Finding[]> {
  const buffers = await checkBuffers();
  return buffers ? [buffers] : [];
}
