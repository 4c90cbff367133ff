/** Where a test is: its file, and words of its name that are once in it. */
export type TestPlace = readonly [file: string, name: string];

/** One claim that is made of simulated machines, and the test that makes it of real processes. */
export interface Twins {
  readonly claim: string;
  readonly simulated: TestPlace;
  readonly real: TestPlace;
}

const simulation = "test/simulation/simulation.test.ts";
const invariants = "test/simulation/invariants.ts";
const swarmFaults = "test/faults/swarm-faults.test.ts";
const realFaults = "test/e2e/faults.test.ts";
const comingsAndGoings = "test/e2e/comings-and-goings.test.ts";
const kills = "test/faults/killed-download.test.ts";

/** A simulation is only as true as its machines: so nothing is claimed of it alone. */
export const twins: readonly Twins[] = [
  {
    claim: "what was lost is made up for when the faults are over",
    simulated: [simulation, "does nothing wrong meanwhile and completes when it is over"],
    real: ["test/faults/soak.test.ts", "comings and goings leave neither memory"],
  },
  {
    claim: "the final name is on a whole file or on none",
    simulated: [invariants, "a file has its name and is not whole"],
    real: [kills, "before the file gets its name"],
  },
  {
    claim: "a file that has its name is on the disk",
    simulated: [invariants, "a file has its name and is not on the disk"],
    real: [kills, "after the file got its name"],
  },
  {
    claim: "a piece that is held is right",
    simulated: [invariants, "is held and wrong"],
    real: ["test/server/http/client/liars.test.ts", "bans who sends what is no piece after one"],
  },
  {
    claim: "what is recorded is held after a restart, and asked of nobody again",
    simulated: [invariants, "is recorded and not held"],
    real: [kills, "asks its seeder for no recorded piece again"],
  },
  {
    claim: "what is recorded as durable was flushed before",
    simulated: [invariants, "is recorded as durable and not on the disk"],
    real: [kills, "after bytes were flushed"],
  },
  {
    claim: "nothing wrong is asked of who lied once, and nobody honest is banned",
    simulated: [invariants, "which is honest"],
    real: [realFaults, "a file that changes under its seeder costs the changed pieces only"],
  },
  {
    claim: "a piece is asked for twice at most, and bytes on their way are bounded",
    simulated: [invariants, "bytes are asked for at once"],
    real: [realFaults, "that is killed three times asks again only for what was on its way"],
  },
  {
    claim: "nobody is named after its lease",
    simulated: [invariants, "is named, its lease has ended"],
    real: ["test/e2e/swarm.test.ts", "although one is killed with -9 in the middle"],
  },
  {
    claim: "a tracker that restarts with nothing knows its peers again",
    simulated: ["test/server/tracker/faults.test.ts", "a tracker that restarts with nothing knows all five"],
    real: [comingsAndGoings, "a tracker restarted empty knows its peers again"],
  },
  {
    claim: "a lost tracker does not stop a download",
    simulated: [
      "test/core/download/download-pace.test.ts",
      "a lost tracker does not stop a running download",
    ],
    real: [comingsAndGoings, "a download goes on without its tracker"],
  },
  {
    claim: "a peer that comes back takes up its lease",
    simulated: [
      "test/server/tracker/faults.test.ts",
      "a peer that is killed and comes back takes up its lease",
    ],
    real: [comingsAndGoings, "a peer that was killed takes up its lease after a restart"],
  },
  {
    claim: "of many peers that are killed, who is left completes a download",
    simulated: [swarmFaults, "all but one, at four tenths"],
    real: ["test/e2e/swarm.test.ts", "although one is killed with -9 in the middle"],
  },
  {
    claim: "the last holder is waited for",
    simulated: [swarmFaults, "the last holder: it is waited for"],
    real: [realFaults, "waits for its last holder, which was killed"],
  },
  {
    claim: "each liar is banned after its first wrong piece",
    simulated: [swarmFaults, "half of 32 seeders send a wrong piece or break off"],
    real: ["test/server/http/client/liars.test.ts", "bans who sends what is no piece after one"],
  },
  {
    claim: "silence ends nothing, and a download goes on after it",
    simulated: [swarmFaults, "ends nothing, and the download goes on within 10 s after it"],
    real: [realFaults, "goes on without peers that are there and silent"],
  },
  {
    claim: "a day of comings and goings leaves no timer behind",
    simulated: [swarmFaults, "a day of a swarm with peers that come and go"],
    real: ["test/faults/soak.test.ts", "comings and goings leave neither memory"],
  },
  {
    claim: "a jump of the wall clock is not noticed",
    simulated: [simulation, "does not notice that the wall clock jumps"],
    real: [realFaults, "processes whose wall clocks jump and stand still do not notice"],
  },
  {
    claim: "a disk that is full or fails costs no verified piece",
    simulated: ["test/server/peer/stores/failing-disk.test.ts", "for every n (sync"],
    real: [realFaults, "that is full ends the download with 6; when there is room it goes on"],
  },
  {
    claim: "a power cut or a kill costs only what was not recorded",
    simulated: ["test/server/peer/stores/power-cut.test.ts", "leaves no piece held that is not there"],
    real: [kills, "moments loses only pieces in flight"],
  },
];
