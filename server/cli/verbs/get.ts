import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, rm, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { sleep } from "#core/clock.ts";
import { RateLimit } from "#core/rate-limit.ts";
import type { DownloadSnapshot } from "#core/snapshot.ts";
import type { Torrent } from "#core/torrent.ts";
import { nodeClock } from "../../node-clock.ts";
import { GaveUp, type RunningGet, startGet } from "../../peer/get.ts";
import { readCa } from "../clients.ts";
import { dataDir } from "../data-dir.ts";
import { RecordKeeper } from "../download-records.ts";
import { CliError, ExitCode, UsageError } from "../exit-code.ts";
import { trackersFor } from "../find-trackers.ts";
import type { Invocation } from "../invocation.ts";
import type { CommonOption, Flags } from "../options.ts";
import type { Output } from "../output.ts";
import { peerFields, showProgress } from "../progress.ts";
import { doneLine } from "../progress-lines.ts";
import { askForName } from "../prompt.ts";
import { type FoundTorrent, findTorrent, torrentNamed } from "../torrent-source.ts";

type Options =
  | "out"
  | "dir"
  | "overwrite"
  | "sequential"
  | "giveUpAfter"
  | "seedAfter"
  | "limitDownload"
  | "limitUpload"
  | "sync"
  | "transport"
  | "tracker"
  | "catalog"
  | "host"
  | "getPort";

type GetInvocation = Invocation<Options | CommonOption>;

export async function run(invocation: GetInvocation): Promise<void> {
  const { flags, out, signal } = invocation;
  if (flags.out === "-") out.freeStdout();
  const found = await find(invocation);
  const trackers = await trackersFor(found, flags, signal);
  if (trackers.length === 0) throw new UsageError("no tracker is known for this torrent; say --tracker");
  if (flags.out !== "-") {
    const target = await targetOf(found.torrent, flags);
    return download(invocation, found.torrent, trackers, target, target);
  }
  if (found.torrent.files) throw new UsageError("a folder does not fit into standard output; use -d");
  await mkdir(dataDir(flags), { recursive: true });
  const folder = await mkdtemp(join(dataDir(flags), "stdout-"));
  try {
    const target = join(folder, found.torrent.fileName);
    await download(invocation, found.torrent, trackers, target, "-");
    await pipeline(createReadStream(target), process.stdout, { end: false, signal });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function find({ args, flags, out, signal }: GetInvocation): Promise<FoundTorrent> {
  if (args[0] !== undefined) return findTorrent(args[0], flags, signal);
  const name = await askForName(out.json || flags.out === "-" ? process.stderr : process.stdout, signal);
  return torrentNamed({ name }, flags.catalog, flags, signal);
}

/** Where the finished file goes. */
async function targetOf(torrent: Torrent, flags: Flags<Options>): Promise<string> {
  if (flags.out !== undefined) {
    const facts = await stat(flags.out).catch(() => undefined);
    if (facts?.isDirectory() && !torrent.files) {
      throw new UsageError(`${flags.out} is a folder; say -d to download into it`);
    }
    return flags.out;
  }
  await mkdir(flags.dir, { recursive: true });
  return join(flags.dir, torrent.fileName);
}

/** `shown` is what people know the target by. */
async function download(
  { flags, out, signal }: GetInvocation,
  torrent: Torrent,
  trackers: readonly string[],
  target: string,
  shown: string,
): Promise<void> {
  const running = await startGet({
    torrent,
    target,
    trackers,
    transport: flags.transport,
    sync: flags.sync,
    replace: flags.overwrite,
    ca: await readCa(flags),
    giveUpAfterMs: flags.giveUpAfter,
    download: { sequential: flags.sequential },
    limit: flags.limitDownload === undefined ? undefined : new RateLimit(flags.limitDownload, nodeClock),
    serve: {
      dataDir: dataDir(flags),
      host: flags.host,
      port: flags.getPort,
      limitBytesPerSecond: flags.limitUpload,
      log: (line) => out.log(line),
    },
    onWaiting: (reason) => out.detail(`waiting: ${reason}`),
    signal,
  }).catch((error) => {
    throw gaveUp(error);
  });
  const onSignal = () => void running.stop();
  signal.addEventListener("abort", onSignal);
  const { infoHash, fileName } = torrent;
  const facts = { infoHash, fileName, trackers, target: shown === "-" ? shown : resolve(target) };
  const keeper = new RecordKeeper(dataDir(flags), facts, running.download, (line) => out.detail(line));
  keeper.start();
  try {
    const last = await untilDone(running, torrent, out, flags, signal).finally(() => keeper.stop());
    sayDone(torrent, shown, last, out);
    await seedOn(running, flags.seedAfter, out, signal);
  } finally {
    signal.removeEventListener("abort", onSignal);
    await running.stop();
  }
}

async function untilDone(
  running: RunningGet,
  torrent: Torrent,
  out: Output,
  flags: Flags<CommonOption>,
  signal: AbortSignal,
): Promise<DownloadSnapshot> {
  const stopShowing = showProgress(torrent.fileName, running.download, out, flags);
  try {
    return await running.done;
  } catch (error) {
    if (signal.aborted) out.note("What has come stays; the same command goes on from there.");
    throw signal.aborted ? signal.reason : gaveUp(error);
  } finally {
    stopShowing();
  }
}

function gaveUp(error: unknown): unknown {
  if (!(error instanceof GaveUp)) return error;
  const code = error.trackerReached ? ExitCode.GAVE_UP : ExitCode.UNREACHABLE;
  return new CliError(code, error.message, { cause: error });
}

function sayDone(torrent: Torrent, file: string, last: DownloadSnapshot, out: Output): void {
  const { totalBytes, downloadedBytes, wastedBytes, elapsedMs } = last;
  const fields = {
    file,
    info_hash: torrent.infoHash,
    bytes: totalBytes,
    downloaded_bytes: downloadedBytes,
    wasted_bytes: wastedBytes,
    elapsed_ms: Math.round(elapsedMs),
    rate: elapsedMs > 0 ? Math.round((downloadedBytes * 1000) / elapsedMs) : 0,
    peers: last.peers.map(peerFields),
  };
  out.event("done", fields, doneLine(file === "-" ? torrent.fileName : file, last));
}

/** The file is there; others may still want it. A signal ends this and is no failure any more. */
async function seedOn(
  running: RunningGet,
  ms: number | undefined,
  out: Output,
  signal: AbortSignal,
): Promise<void> {
  if (ms === undefined || !running.peer) return;
  out.note(`Serving it at ${running.peer.url} for a while; Ctrl-C ends that.`);
  await sleep(nodeClock, ms, signal).catch(() => {});
  await running.stop({ drain: !signal.aborted });
}
