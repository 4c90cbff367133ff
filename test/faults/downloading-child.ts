import { Bitfield } from "#core/base/bitfield.ts";
import { StoreFailed } from "#core/base/errors.ts";
import { Download } from "#core/download/download.ts";
import type { RemotePeer } from "#core/ports/peer.ts";
import type { SwarmTable, Tracker } from "#core/ports/tracker.ts";
import { PieceGeometry } from "#core/torrent/piece.ts";
import { nodeClock } from "../../server/base/node-clock.ts";
import { nodeHasher } from "../../server/base/node-hasher.ts";
import { type Disk, nodeDisk } from "../../server/peer/stores/disk.ts";
import { FilePieceStore } from "../../server/peer/stores/file-piece-store.ts";
import type { Failpoint, FromChild, Job, ToChild } from "./killed-download.ts";

/**
 * A process to be killed: a real download into a real store. Its only seeder is its parent, which counts what it is
 * asked for.
 */
const seeder = "http://parent.test";
const waiting = new Map<number, (bytes: Uint8Array) => void>();
const tell = (message: FromChild) => void process.send?.(message);

process.on("message", (message: ToChild) => {
  if (message.kind === "job") void run(message.job);
  else waiting.get(message.index)?.(message.bytes);
});

async function run({ torrent, target, sync, failpoint }: Job): Promise<void> {
  const { length, pieceLength } = torrent.lengths!;
  const geometry = new PieceGeometry(length, pieceLength);
  const disk = failpoint ? dyingAt(failpoint) : nodeDisk;
  const store = await FilePieceStore.open({ torrent, geometry, target, sync, hasher: nodeHasher, disk });
  tell({ kind: "opened", held: [...store.held] });
  const download = new Download({
    torrent,
    store,
    trackers: [tracker(geometry.count)],
    connect: () => parent(geometry.count),
    hasher: nodeHasher,
    clock: nodeClock,
    random: Math.random,
  });
  download.start();
  const { state, reason } = await download.whenDone;
  if (state !== "complete") throw new StoreFailed(reason);
  await download.stop();
  await store.close();
  tell({ kind: "done" });
  process.disconnect();
}

function tracker(pieces: number): Tracker {
  const table: SwarmTable = {
    peers: [{ url: seeder, bitfield: Bitfield.full(pieces) }],
    turn: 0,
    trackerId: "parent",
    nextLocateMs: 60_000,
  };
  return { url: seeder, locate: async () => table, announce: () => Promise.reject(new Error("not here")) };
}

function parent(pieces: number): RemotePeer {
  return {
    url: seeder,
    transport: "ipc",
    getBitfield: async () => Bitfield.full(pieces),
    async getPiece(index, sink) {
      const arrived = new Promise<Uint8Array>((resolve) => waiting.set(index, resolve));
      tell({ kind: "asks", index });
      const bytes = await arrived;
      // In two parts, so that a kill can meet a piece half way.
      await sink.write(bytes.subarray(0, bytes.length >> 1));
      await new Promise((resolve) => setImmediate(resolve));
      await sink.write(bytes.subarray(bytes.length >> 1));
    },
    close() {},
  };
}

/** The machine's disk; the process dies by SIGKILL right before or after one of its calls. */
function dyingAt({ call, file, when, nth }: Failpoint): Disk {
  const paths = new Map<number, string>();
  let calls = 0;
  const die = () => process.kill(process.pid, "SIGKILL");
  return new Proxy(nodeDisk, {
    get(target, name: keyof Disk) {
      const method = target[name] as (...values: unknown[]) => unknown;
      return (...values: unknown[]) => {
        const path = typeof values[0] === "number" ? paths.get(values[0]) : String(values[0]);
        const meant = name === call && (file === "any" || path?.endsWith(`.${file}`)) && ++calls === nth;
        if (meant && when === "before") die();
        const result = method.apply(target, values);
        if (name === "open") paths.set(result as number, String(values[0]));
        if (!meant || when !== "after") return result;
        return result instanceof Promise ? result.then(die) : die();
      };
    },
  });
}
