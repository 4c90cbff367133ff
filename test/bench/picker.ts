/**
 * What one decision of the picker costs: 100,000 pieces, 200 peers, from the first request to the last piece held. In
 * this process, without a network; --size, --dir and --pieza mean nothing here.
 */
import { Bitfield } from "#core/base/bitfield.ts";
import type { Random } from "#core/base/clock.ts";
import { PiecePicker } from "#core/download/picker.ts";
import type { PieceIndex } from "#core/torrent/piece.ts";
import { seededRandom } from "../support/swarms/fake-swarm.ts";
import { machineLines } from "./support/machine.ts";
import { benchOptions, isWanted } from "./support/options.ts";
import { barCells, spread, table } from "./support/table.ts";

const PIECES = 100_000;
const PEERS = 200;
/** Requests under way at a peer. */
const IN_FLIGHT = 8;
const bar = { sign: "<", value: 20, unit: "us" } as const;

/** Swarms by what their peers have. */
const swarms: Record<string, (random: Random, peer: number) => Bitfield> = {
  "every peer has all": () => Bitfield.full(PIECES),
  "every peer has a random half": (random) => randomPart(random, 0.5),
  "every peer has a random hundredth": (random) => randomPart(random, 0.01),
  "one seeder, the others from none to all": (random, peer) => randomPart(random, 1 - peer / PEERS),
};

function randomPart(random: Random, share: number): Bitfield {
  const has = new Bitfield(PIECES);
  for (let index = 0; index < PIECES; index++) if (random() < share) has.set(index);
  return has;
}

interface Measured {
  /** Microseconds in the picker for each piece that it gave, fruitless picks included. */
  readonly meanUs: number;
  /** One pick in a thousand takes longer, in microseconds. */
  readonly slowUs: number;
  /** Milliseconds to take in one peer. */
  readonly joinMs: number;
}

/** Downloads what the swarm has. */
function download(has: readonly Bitfield[], sequential: boolean): Measured {
  const picker = new PiecePicker(new Bitfield(PIECES), { random: seededRandom(2), sequential });
  const started = performance.now();
  for (const [peer, bitfield] of has.entries()) picker.onBitfield(peer, bitfield);
  const joinMs = (performance.now() - started) / has.length;
  const { timesUs, given } = pickAll(picker, has.length);
  timesUs.sort((a, b) => a - b);
  const sumUs = timesUs.reduce((sum, us) => sum + us, 0);
  return { meanUs: sumUs / given, slowUs: timesUs[Math.floor(timesUs.length * 0.999)]!, joinMs };
}

/** Each peer in turn is asked for one piece more, and its oldest request is answered once enough are under way. */
function pickAll(picker: PiecePicker, peers: number): { timesUs: number[]; given: number } {
  const underWay = Array.from({ length: peers }, (): PieceIndex[] => []);
  const timesUs: number[] = [];
  let given = 0;
  for (let busy = true; busy; ) {
    busy = false;
    for (const [peer, requests] of underWay.entries()) {
      const started = performance.now();
      const index = picker.pick(peer);
      timesUs.push((performance.now() - started) * 1000);
      if (index !== undefined) {
        picker.onRequested(peer, index);
        requests.push(index);
        given++;
      }
      const answered = index === undefined || requests.length > IN_FLIGHT ? requests.shift() : undefined;
      if (answered !== undefined) picker.onHeld(answered);
      busy ||= index !== undefined || answered !== undefined;
    }
  }
  return { timesUs, given };
}

const options = benchOptions("node test/bench/picker.ts: microseconds for each decision of the picker.");
const rows: string[][] = [];
for (const sequential of [false, true]) {
  for (const [what, part] of Object.entries(swarms)) {
    const name = `${sequential ? "sequential" : "rarest first"}: ${what}`;
    if (!isWanted(name, options)) continue;
    const random = seededRandom(1);
    const has = Array.from({ length: PEERS }, (_, peer) => part(random, peer));
    download(has, sequential);
    const runs = Array.from({ length: options.runs }, () => download(has, sequential));
    const column = (key: keyof Measured) => runs.map((run) => run[key]);
    const others = [spread(column("slowUs"), 1), spread(column("joinMs"), 2)];
    rows.push([name, ...barCells(column("meanUs"), 2, bar), ...others]);
  }
}
console.log(machineLines(".").join("\n"));
console.log(`${PIECES} pieces, ${PEERS} peers, ${options.runs} runs; median (min-max)\n`);
console.log(table(["picker", "for each piece", "bar", "", "99.9 % of picks, us", "a peer joins, ms"], rows));
