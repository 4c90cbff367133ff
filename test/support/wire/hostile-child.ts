/**
 * Run as a process of its own, so that a crash is an exit code and memory can be measured: asks every peer named in
 * the first argument for a piece, over every way there is, a few times. Prints how the calls ended and by how much the
 * process grew. With a second argument, what asking an honest peer there needs as well is not counted.
 */

import { geometry, swarm } from "../swarms/test-peer.ts";
import { openWay, type Way, ways } from "./hostile-ways.ts";

const CALLS = 2;
/** Of the honest peer's calls: as much as a process that has been there for a while has done. */
const CALLS_BEFORE = 50;

async function outcomesOf(way: Way, url: string, calls = CALLS): Promise<string[]> {
  const peer = openWay(way, url, swarm, geometry);
  const outcomes: string[] = [];
  for (let n = 0; n < calls; n++) {
    const call = peer.getPiece(geometry.index(0), { write() {} }, new AbortController().signal);
    const outcome = await call.then(
      () => "fine",
      (error) => (error.name === "PeerFailed" ? error.code : error.name),
    );
    outcomes.push(String(outcome));
  }
  peer.close();
  return outcomes;
}

const urls: string[] = JSON.parse(process.argv[2] ?? "[]");
const honest = process.argv[3];
if (honest) await Promise.all(ways.map((way) => outcomesOf(way, honest, CALLS_BEFORE)));
const before = process.resourceUsage().maxRSS;
const all = ways.map(async (way) => [way, await Promise.all(urls.map((url) => outcomesOf(way, url)))]);
const outcomes = Object.fromEntries(await Promise.all(all));
const grewBytes = (process.resourceUsage().maxRSS - before) * 1024;
console.log(JSON.stringify({ outcomes, grewBytes }));
