/**
 * Run as a process of its own, in a terminal: prints every event, line, log line, picture and error that there is, with
 * hostile text in each place that takes text. The argument is `json` or `people`.
 */

import { PiezaError } from "#core/base/errors.ts";
import type { DownloadSnapshot, PeerSnapshot } from "#core/download/snapshot.ts";
import { type Events, Output } from "../../../server/cli/line/output.ts";
import { ProgressBoard } from "../../../server/cli/line/progress.ts";
import { table } from "../../../server/cli/line/table.ts";
import { HOSTILE } from "./terminal.ts";

const { stdout, stderr } = process;
const json = process.argv[2] === "json";
const out = new Output({ json, quiet: false, verbose: true, stdout, stderr });

const names: Readonly<Record<keyof Events, true>> = {
  ...{ listening: true, working: true, ready: true, created: true, published: true, removed: true },
  ...{ seeding: true, announced: true, torrent: true, swarm: true, progress: true, peer: true },
  ...{ explained: true, piece: true, download: true, finding: true, completions: true, done: true },
  ...{ mismatch: true, warning: true, error: true, hashing: true, help: true, version: true },
};
const fields = { url: HOSTILE, list: [HOSTILE, { [HOSTILE]: HOSTILE }], number: 1 } as never;

for (const name of Object.keys(names) as (keyof Events)[]) {
  out.event(name, fields, HOSTILE, `${name} ${HOSTILE}`);
  out.result(name, fields, HOSTILE);
}
out.text(
  HOSTILE,
  ...table(
    [
      [HOSTILE, "1"],
      ["a", HOSTILE],
    ],
    [1],
  ),
);
out.note(HOSTILE);
out.detail(HOSTILE);
out.warn(HOSTILE);
for (const level of ["debug", "info", "warn", "error"] as const) {
  for (const event of ["piece_request", HOSTILE])
    out.log({ level, event, message: HOSTILE, [HOSTILE]: HOSTILE });
}

const peer: PeerSnapshot = {
  ...{ slot: 0, url: HOSTILE, transport: HOSTILE, state: "banned", reason: HOSTILE, trouble: undefined },
  ...{ hasPieces: 1, servedPieces: 1, servedBytes: 1, inFlight: 0, rate: 1 },
};
const snapshot: DownloadSnapshot = {
  ...{ state: "waiting", reason: HOSTILE, trouble: undefined, located: true, wastedBytes: 0, rate: 1 },
  ...{
    totalPieces: 2,
    heldPieces: 1,
    totalBytes: 2,
    heldBytes: 1,
    downloadedBytes: 1,
    elapsedMs: 1,
    etaMs: 1,
    promising: false,
  },
  peers: [peer, { ...peer, slot: 1 }],
  pieceMap: Uint16Array.of(3, 0),
};
const watched = {
  peek: () => snapshot,
  subscribe: (fn: () => void) => {
    fn();
    return () => {};
  },
};
const board = new ProgressBoard(out, { noProgress: false });
const stop = board.show({ fileName: HOSTILE, infoHash: HOSTILE }, watched);
// Lines erase the picture, and the next one is drawn below them.
out.note(HOSTILE);
board.show({ fileName: HOSTILE, infoHash: HOSTILE }, watched)();
stop();
out.error(new PiezaError("internal", HOSTILE, { cause: new Error(HOSTILE) }));
out.error(HOSTILE);
