import { expect, it } from "vitest";
import { JournalFile } from "../../../server/peer/journal.ts";
import { seededBytes, seededRandom, torrentOf } from "../../support/fake-swarm.ts";
import { PowerCutDisk } from "../../support/power-cut-disk.ts";

const PATH = "file.journal";
const { torrent, geometry } = torrentOf(seededBytes(500), 120);

it("a header that a kill kept from the disk is on it before anything is built on the journal", async () => {
  for (let seed = 1; seed <= 50; seed++) {
    const disk = new PowerCutDisk();
    // Killed between the header's write and its flush.
    disk.callsLeft = 2;
    await expect(JournalFile.create(disk, PATH, torrent.infoHash, geometry)).rejects.toThrow();
    disk.kill();
    const opened = await JournalFile.open(disk, PATH, torrent.infoHash, geometry);
    expect(opened, "what the system has is read").toBeDefined();
    await disk.syncFolder();
    disk.cutPower(seededRandom(seed));
    expect(await JournalFile.open(disk, PATH, torrent.infoHash, geometry), `seed ${seed}`).toBeDefined();
  }
});
