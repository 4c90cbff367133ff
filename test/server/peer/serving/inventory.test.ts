import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { Inventory } from "../../../../server/peer/serving/inventory.ts";
import { makeTorrent } from "../../../support/swarms/made-torrent.ts";

describe("the seed's inventory", async () => {
  const { torrent } = await makeTorrent({ length: 4 * (16 << 10), fileName: "shakira.mp3" });
  const folder = mkdtempSync(join(tmpdir(), "pieza-inventory-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const piece = (number: number, hash = torrent.pieces[number - 1]) => ({ number, hash });
  const entry = (pieces: unknown, file_name: unknown = "shakira.mp3", total: unknown = 2) => ({
    file_info: [{ file_name, total, pieces }],
  });
  const refused = (value: unknown, field: string) =>
    expect(() => Inventory.parse(value).piecesOf(torrent)).toThrow(expect.objectContaining({ field }));

  it("says which pieces of a torrent to hold, in either case of hash and any order", () => {
    const upper = { number: 4, hash: torrent.pieces[3]!.toUpperCase() };
    const inventory = Inventory.parse(entry([upper, piece(2)]));
    expect(inventory.piecesOf(torrent)).toEqual([2, 4]);
    expect(inventory.fileNames).toEqual(["shakira.mp3"]);
    expect(inventory.piecesOf({ ...torrent, fileName: "another.mp3" })).toEqual([]);
  });

  it("counts what is held in total, not what the file has", () => {
    expect(Inventory.parse(entry([piece(1)], "shakira.mp3", 1)).piecesOf(torrent)).toEqual([1]);
  });

  it("refuses bad input by the name of its field", () => {
    refused([], "inventory");
    refused({}, "file_info");
    refused({ file_info: ["x"] }, "file_info[0]");
    refused(entry([], 7), "file_info[0].file_name");
    refused(entry([], "x", -1), "file_info[0].total");
    refused(entry("x"), "file_info[0].pieces");
    refused(entry([piece(1), { hash: "x" }]), "file_info[0].pieces[1].number");
    refused(entry([{ number: 1 }]), "file_info[0].pieces[0].hash");
    refused(entry([piece(1), piece(1)]), "file_info[0].pieces[1].number");
    refused(entry([piece(5, torrent.pieces[0])]), "file_info[0].pieces[0].number");
  });

  it("refuses placeholders, and hashes of other bytes", () => {
    refused(entry([piece(1), piece(2, "abcd1234")]), "file_info[0].pieces[1].hash");
    refused(entry([piece(1, torrent.pieces[1])]), "file_info[0].pieces[0].hash");
  });

  it("is read from a file, which has to be JSON", async () => {
    const path = join(folder, "peer-1.json");
    writeFileSync(path, JSON.stringify(entry([piece(3)])));
    expect((await Inventory.read(path)).piecesOf(torrent)).toEqual([3]);
    writeFileSync(path, "{");
    await expect(Inventory.read(path)).rejects.toMatchObject({ field: "inventory" });
  });
});
