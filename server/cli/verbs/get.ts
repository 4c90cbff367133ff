import { sleep } from "#core/base/clock.ts";
import { InvalidField, messageOf } from "#core/base/errors.ts";
import { RateLimit } from "#core/base/rate-limit.ts";
import { selectFiles } from "#core/torrent/selection.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { nodeClock } from "../../base/node-clock.ts";
import type { RunningGet } from "../../peer/downloading/get.ts";
import { SharedPeer } from "../../peer/downloading/shared-peer.ts";
import { readCa } from "../clients/client-flags.ts";
import { dataDir } from "../clients/data-dir.ts";
import { trackersFor } from "../clients/find-trackers.ts";
import { type FoundTorrent, findTorrent, torrentNamed } from "../clients/torrent-source.ts";
import { CliError, exitCodeOf, UsageError } from "../line/exit-code.ts";
import { ProgressBoard } from "../line/progress.ts";
import { askForName } from "../line/prompt.ts";
import { plural } from "../line/units.ts";
import type { VerbFlags, VerbInvocation } from "../line/verb-options.ts";
import { reusePaths, staleParts } from "../servers/get-reuse.ts";
import { checkTargetFlags, targetOf } from "../servers/get-target.ts";
import { type GetContext, type GetJob, getTorrent } from "../servers/get-torrent.ts";

type GetInvocation = VerbInvocation<"get">;
type GetFlags = VerbFlags<"get">;

/** The most trackers that a peer announces to. */
const MAX_TRACKERS = 16;

export async function runGet(invocation: GetInvocation): Promise<void> {
  const { args, flags, out } = invocation;
  checkTargetFlags(args.length, flags);
  if (flags.out === "-") out.freeStdout();
  const jobs: GetJob[] = [];
  for (const name of args.length > 0 ? args : [undefined]) jobs.push(await prepare(name, invocation));
  const context = await makeContext(jobs, invocation);
  const running: RunningGet[] = [];
  try {
    await getAll(jobs, context, flags, running);
    await seedOn(running, context, flags.seedAfter);
  } finally {
    for (const get of running) await get.stop();
    await context.serve?.close();
  }
}

async function makeContext(
  jobs: readonly GetJob[],
  { flags, out, signal }: GetInvocation,
): Promise<GetContext> {
  const ca = await readCa(flags);
  const trackers = [...new Set(jobs.flatMap((job) => job.trackers))].slice(0, MAX_TRACKERS);
  return {
    ...{ flags, out, signal, ca },
    board: new ProgressBoard(out, flags),
    limit: flags.limitDownload === undefined ? undefined : new RateLimit(flags.limitDownload, nodeClock),
    serve: new SharedPeer({
      dataDir: dataDir(flags),
      ...{ trackers, ca },
      zone: flags.zone,
      host: flags.host,
      port: flags.getPort,
      limitBytesPerSecond: flags.limitUpload,
      log: (line) => out.log(line),
    }),
  };
}

async function prepare(name: string | undefined, invocation: GetInvocation): Promise<GetJob> {
  const { flags, out, signal } = invocation;
  const found = await find(name, invocation);
  const { torrent } = found;
  const trackers = await trackersFor(found, flags, out, signal);
  if (trackers.length === 0)
    throw new UsageError(`no tracker is known for ${torrent.fileName}; give --tracker`);
  const select = selectedFiles(torrent, flags.select);
  const place = await targetOf(torrent, select, flags);
  const reuse = await reusePaths(torrent, flags.reuse, out);
  const { target } = place;
  const stale =
    typeof target === "string" ? staleParts(target, torrent.infoHash, flags.removeStale, out) : [];
  return { torrent, trackers, select, ...place, reuse, stale };
}

async function find(name: string | undefined, { flags, out, signal }: GetInvocation): Promise<FoundTorrent> {
  if (name !== undefined) return findTorrent(name, flags, signal);
  const asked = await askForName(out.json || flags.out === "-" ? process.stderr : process.stdout, signal);
  return torrentNamed({ name: asked }, flags.catalog, flags, signal);
}

function selectedFiles({ files, fileName }: Torrent, patterns: readonly string[]): number[] | undefined {
  if (patterns.length === 0) return undefined;
  if (!files) throw new UsageError(`--select: ${fileName} is not a folder`);
  try {
    return selectFiles(files, patterns);
  } catch (cause) {
    if (!(cause instanceof InvalidField)) throw cause;
    throw new UsageError(`--${cause.message}; pieza info lists the files`, { cause });
  }
}

/** Downloads --jobs torrents at a time, also after one has failed. Adds finished downloads that seed to `running`. */
async function getAll(
  jobs: readonly GetJob[],
  context: GetContext,
  { jobs: atOnce, seedAfter }: GetFlags,
  running: RunningGet[],
): Promise<void> {
  const failures: { job: GetJob; error: unknown }[] = [];
  const waiting = [...jobs];
  const worker = async () => {
    for (let job = waiting.shift(); job && !context.signal.aborted; job = waiting.shift()) {
      try {
        const get = await getTorrent(job, context);
        if (seedAfter === undefined) await get.stop();
        else running.push(get);
      } catch (error) {
        failures.push({ job, error });
        if (jobs.length > 1) context.out.warn(`${job.shown}: ${messageOf(error)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, jobs.length) }, worker));
  const [first] = failures;
  if (waiting.length > 0) context.signal.throwIfAborted();
  if (!first) return;
  if (jobs.length === 1 || context.signal.aborted) throw first.error;
  throw new CliError(
    exitCodeOf(first.error),
    `${failures.length} of ${plural(jobs.length, "download")} failed`,
    {
      cause: first.error,
    },
  );
}

/** Seeds the finished downloads for `ms`. A signal ends this early and is no failure, as the files are complete. */
async function seedOn(
  running: readonly RunningGet[],
  { serve, out, signal }: GetContext,
  ms: number | undefined,
): Promise<void> {
  if (ms === undefined) return;
  const [peer] = (await Promise.all(running.map(({ seeding }) => seeding))).filter((seeder) => seeder);
  if (!peer) return;
  out.note(`Seeding at ${peer.url} until --seed-after has passed; Ctrl-C stops that.`);
  await sleep(nodeClock, ms, signal).catch(() => {});
  if (!signal.aborted) await serve?.drain();
}
