/**
 * Run as a process of its own, so that a crash is an exit code and memory can be measured: asks every peer named in
 * the argument for a piece, over every way there is, a few times. Prints how the calls ended and by how much the process
 * grew.
 */
import { openWay, type Way, ways } from "./hostile-ways.ts";
import { geometry, swarm } from "./test-peer.ts";

const CALLS = 2;

async function outcomesOf(way: Way, url: string): Promise<string[]> {
  const peer = openWay(way, url, swarm, geometry);
  const outcomes: string[] = [];
  for (let n = 0; n < CALLS; n++) {
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
const before = process.resourceUsage().maxRSS;
const all = ways.map(async (way) => [way, await Promise.all(urls.map((url) => outcomesOf(way, url)))]);
const outcomes = Object.fromEntries(await Promise.all(all));
const grewBytes = (process.resourceUsage().maxRSS - before) * 1024;
console.log(JSON.stringify({ outcomes, grewBytes }));
