import { describe, expect, it } from "vitest";
import { JOURNAL_HEADER_BYTES, JOURNAL_RECORD_BYTES } from "#core/ports/journal.ts";
import { JournalFile } from "../../../../server/peer/stores/journal.ts";
import { PowerCutDisk } from "../../../support/disk/power-cut-disk.ts";
import { seededBytes, seededRandom, torrentOf } from "../../../support/swarms/fake-swarm.ts";

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

describe("a journal with a torn tail", () => {
  const open = (disk: PowerCutDisk) => JournalFile.open(disk, PATH, torrent.infoHash, geometry);
  const recordBytes = (n: number) => JOURNAL_HEADER_BYTES + n * JOURNAL_RECORD_BYTES;

  it("loses it for good: records behind the tear do not come back with the next one written", async () => {
    const disk = new PowerCutDisk();
    const first = await JournalFile.create(disk, PATH, torrent.infoHash, geometry);
    first.append("durable", [0, 1, 2]);
    first.close();
    const file = disk.open(PATH, "update");
    disk.write(file, Uint8Array.of(0xff), recordBytes(1) + 4);
    disk.close(file);
    const second = (await open(disk))!;
    expect([...second.state.pieces.keys()]).toEqual([0]);
    second.journal.append("durable", [3]);
    second.journal.close();
    expect([...(await open(disk))!.state.pieces.keys()]).toEqual([0, 3]);
  });

  it("that its own process tore goes on where the last whole record ended", async () => {
    const disk = new PowerCutDisk();
    const journal = await JournalFile.create(disk, PATH, torrent.infoHash, geometry);
    journal.append("durable", [0]);
    disk.callsLeft = 0;
    expect(() => journal.append("durable", [1, 2])).toThrow();
    disk.callsLeft = Number.POSITIVE_INFINITY;
    journal.append("durable", [3]);
    journal.close();
    expect([...(await open(disk))!.state.pieces.keys()]).toEqual([0, 3]);
  });
});
