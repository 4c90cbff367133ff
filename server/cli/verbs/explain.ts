import { resolve } from "node:path";
import { ASKED, type DownloadAccount, type WhyNot, whyNotWords } from "#core/download/explain.ts";
import { dataDir } from "../clients/data-dir.ts";
import { findTorrent } from "../clients/torrent-source.ts";
import { CliError, ExitCode } from "../line/exit-code.ts";
import type { Output } from "../line/output.ts";
import type { VerbInvocation } from "../line/verb-options.ts";
import { type DownloadRecord, readRecords, recordFields, recordOf } from "../records/download-records.ts";
import { explainLines, passedOver } from "../records/explain-lines.ts";

export async function runExplain(invocation: VerbInvocation<"explain">): Promise<void> {
  const { flags, out } = invocation;
  const record = await findRecord(invocation);
  if (out.json) sendEvents(record, out);
  else out.text(...explainLines(record, flags.verbose));
}

/** Finds the record by the download's path, name or info hash, else by the torrent that the text means for `get`. */
async function findRecord({ args, flags, signal }: VerbInvocation<"explain">): Promise<DownloadRecord> {
  const text = args[0]!;
  const records = await readRecords(dataDir(flags));
  const known = recordOf(records, text, resolve(text));
  if (known) return known;
  const unknown = `there is no record of a download of ${text} in ${dataDir(flags)}`;
  const found = await findTorrent(text, flags, signal).catch((cause) => {
    throw new CliError(ExitCode.NOT_FOUND, unknown, { cause });
  });
  const record = records.find(({ infoHash }) => infoHash === found.torrent.infoHash);
  if (!record) throw new CliError(ExitCode.NOT_FOUND, unknown);
  return record;
}

function sendEvents(record: DownloadRecord, out: Output): void {
  const { account } = record;
  const { firstByte, peerLimit = 0, peerRead = 0, transfer, hashing, disk } = account.requestMs;
  out.event("explained", {
    ...recordFields(record),
    downloaded_bytes: record.downloadedBytes,
    wasted_bytes: record.wastedBytes,
    elapsed_ms: Math.round(account.elapsedMs),
    spent_ms: rounded(account.spentMs),
    request_ms: rounded({
      ...{ first_byte: firstByte, peer_limit: peerLimit, peer_read: peerRead },
      ...{ transfer, hashing, disk },
    }),
    tracker_problem: account.trackerProblem,
    bad_urls: account.badUrls ?? 0,
    trackers: record.trackers,
  });
  for (const peer of peersOf(account)) out.event("peer", peer);
  for (const piece of piecesOf(account)) out.event("piece", piece);
}

function peersOf(account: DownloadAccount) {
  return account.peers.map((peer) => ({
    url: peer.url,
    transport: peer.transport,
    verdict: peer.verdict,
    state: peer.state,
    reason: peer.reason,
    connect_ms: peer.connectMs === undefined ? null : Math.round(peer.connectMs),
    first_byte_ms: peer.firstByteMs === undefined ? null : Math.round(peer.firstByteMs),
    limit_ms: peer.limitMs === undefined ? null : Math.round(peer.limitMs),
    read_ms: peer.readMs === undefined ? null : Math.round(peer.readMs),
    busy_ms: Math.round(peer.busyMs),
    rate: Math.round(peer.rate),
    has_pieces: peer.hasPieces,
    requests: peer.requests,
    served_pieces: peer.servedPieces,
    served_bytes: peer.servedBytes,
    failures: peer.failures,
    refused: peer.refused,
    overtaken: peer.overtaken,
    left_out: peer.leftOut,
    passed_over: Object.fromEntries(
      [...passedOver(peer.slot, account)].map(([letter, count]) => [whyNotWords[letter], count]),
    ),
    notes: peer.notes.map(({ atMs, text }) => ({ at_ms: atMs, text })),
  }));
}

function* piecesOf({ pieces, peers }: DownloadAccount) {
  for (const [index, from] of pieces.from.entries()) {
    const others = [...pieces.others[index]!].entries();
    yield {
      number: index + 1,
      state: from === -2 ? "missing" : from === -1 ? "held before" : "downloaded",
      from: peers[from]?.url ?? null,
      asked_at_ms: pieces.askedAtMs[index]!,
      first_byte_ms: pieces.firstByteMs[index]!,
      took_ms: pieces.tookMs[index]!,
      requests: pieces.requests[index]!,
      others: Object.fromEntries(
        [...others]
          .filter(([, letter]) => letter !== ASKED)
          .map(([slot, letter]) => [peers[slot]?.url, whyNotWords[letter as WhyNot]]),
      ),
    };
  }
}

function rounded(times: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(times).map(([name, ms]) => [name, Math.round(ms)]));
}
