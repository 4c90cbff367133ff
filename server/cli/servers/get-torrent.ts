import { resolve } from "node:path";
import type { DownloadSnapshot } from "#core/download/snapshot.ts";
import { type GetOptions, type RunningGet, startGet } from "../../peer/downloading/get.ts";
import { GaveUp } from "../../peer/downloading/patience.ts";
import type { StalePart } from "../../peer/stores/stale-parts.ts";
import { dataDir } from "../clients/data-dir.ts";
import { CliError, ExitCode } from "../line/exit-code.ts";
import type { CommonOption, Flags } from "../line/options.ts";
import type { Output } from "../line/output.ts";
import { downloadPeerFields, type ProgressBoard } from "../line/progress.ts";
import { doneLine } from "../line/progress-lines.ts";
import { formatBytes } from "../line/units.ts";
import { RecordKeeper } from "../records/download-records.ts";
import { removeStaleParts } from "./get-reuse.ts";
import type { GetTarget } from "./get-target.ts";

/** One torrent to download. */
export interface GetJob extends GetTarget, Pick<GetOptions, "torrent" | "trackers" | "select" | "reuse"> {
  /** What other downloads to this target have left. */
  readonly stale: readonly StalePart[];
}

type GetFlags = Flags<
  | CommonOption
  | "sync"
  | "overwrite"
  | "giveUpAfter"
  | "seedAfter"
  | "sequential"
  | "transport"
  | "zone"
  | "removeStale"
  | "allowNetwork"
>;

/** Shared by the downloads of one run. */
export interface GetContext extends Pick<GetOptions, "ca" | "limit" | "serve"> {
  readonly flags: GetFlags;
  readonly out: Output;
  readonly signal: AbortSignal;
  readonly board: ProgressBoard;
}

/** Downloads one torrent with progress, a record and a final message. The result seeds until it is stopped. */
export async function getTorrent(job: GetJob, context: GetContext): Promise<RunningGet> {
  const { out, signal } = context;
  const running = await start(job, context);
  const onSignal = () => void running.stop();
  signal.addEventListener("abort", onSignal);
  const keeper = keepRecord(job, context, running);
  const stopShowing = context.board.show(job.torrent, running.download);
  try {
    const last = await running.done;
    stopShowing();
    await keeper.stop();
    sayDone(job, last, running.reusedBytes, out);
    if (context.flags.removeStale) removeStaleParts(job.stale, out);
    return running;
  } catch (error) {
    stopShowing();
    await keeper.stop();
    await running.stop();
    if (!signal.aborted) throw gaveUp(error);
    if (typeof job.target === "string")
      out.note("The pieces so far are kept; the same command resumes the download.");
    throw signal.reason;
  } finally {
    signal.removeEventListener("abort", onSignal);
  }
}

function start(job: GetJob, context: GetContext): Promise<RunningGet> {
  const { torrent, trackers, target, select, stale, shown } = job;
  const { flags, out, signal, ca, limit, serve, board } = context;
  const reuse = [...stale.map(({ part }) => part), ...(job.reuse ?? [])];
  const checking = board.showLine();
  let checkedBytes = 0;
  const onChecked = (bytes: number) => {
    checkedBytes += bytes;
    checking.say(`${shown}: checked ${formatBytes(checkedBytes)} that are here already`);
  };
  return startGet({
    ...{ torrent, trackers, target, select, ca, limit, serve, signal, reuse, onChecked },
    transport: flags.transport,
    zone: flags.zone,
    allowNetworks: flags.allowNetwork,
    sync: flags.sync,
    replace: flags.overwrite,
    giveUpAfterMs: flags.giveUpAfter,
    seedWhenDone: flags.seedAfter !== undefined,
    download: { sequential: flags.sequential },
    onWaiting: (reason) => out.detail(`waiting: ${reason}`),
  })
    .catch((error) => {
      throw gaveUp(error);
    })
    .finally(() => checking.end());
}

function keepRecord({ torrent, trackers, target }: GetJob, { flags, out }: GetContext, running: RunningGet) {
  const { infoHash, fileName } = torrent;
  const facts = { infoHash, fileName, trackers, target: typeof target === "string" ? resolve(target) : "-" };
  const keeper = new RecordKeeper(dataDir(flags), facts, running.download, (line) => out.detail(line));
  keeper.start();
  return keeper;
}

function gaveUp(error: unknown): unknown {
  if (!(error instanceof GaveUp)) return error;
  const code = error.trackerReached ? ExitCode.GAVE_UP : ExitCode.UNREACHABLE;
  return new CliError(code, error.message, { cause: error });
}

function sayDone(
  { torrent, target, shown, select }: GetJob,
  last: DownloadSnapshot,
  reusedBytes: number,
  out: Output,
): void {
  const { totalBytes, downloadedBytes, wastedBytes, elapsedMs } = last;
  const fields = {
    file: shown,
    info_hash: torrent.infoHash,
    bytes: totalBytes,
    downloaded_bytes: downloadedBytes,
    wasted_bytes: wastedBytes,
    reused_bytes: reusedBytes,
    elapsed_ms: Math.round(elapsedMs),
    rate: elapsedMs > 0 ? Math.round((downloadedBytes * 1000) / elapsedMs) : 0,
    peers: last.peers.map(downloadPeerFields),
    ...(select && { selected_files: select.map((index) => torrent.files![index]!.path) }),
  };
  out.event(
    "done",
    fields,
    doneLine(typeof target === "string" ? shown : torrent.fileName, last, reusedBytes),
  );
}
