import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StoreFailed } from "#core/base/errors.ts";
import {
  crc32,
  encodeJournalHeader,
  encodeJournalRecords,
  JOURNAL_HEADER_BYTES,
  JOURNAL_RECORD_BYTES,
  parseJournal,
} from "#core/ports/journal.ts";
import { PieceGeometry } from "#core/torrent/piece.ts";

const infoHash = "ab".repeat(32);
const geometry = new PieceGeometry(10 * 16_384 + 1, 16_384);
const header = encodeJournalHeader(infoHash, geometry);
const written = (...indices: number[]) => encodeJournalRecords("written", indices);
const durable = (...indices: number[]) => encodeJournalRecords("durable", indices);
const lost = (...indices: number[]) => encodeJournalRecords("lost", indices);

function journal(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from([header, ...parts].flatMap((part) => [...part]));
}

describe("journal", () => {
  it("remembers the last word on each piece", () => {
    const state = parseJournal(
      journal(written(3, 1, 7), durable(3, 1), lost(1), written(9)),
      infoHash,
      geometry,
    );
    expect(Object.fromEntries(state!.pieces)).toEqual({ 3: "durable", 7: "written", 9: "written" });
  });

  it("torn at any byte, keeps every record before the tear and nothing else", () => {
    const whole = journal(written(0, 1, 2, 3), durable(0, 1));
    for (let length = 0; length <= whole.length; length++) {
      const state = parseJournal(whole.subarray(0, length), infoHash, geometry);
      if (length < JOURNAL_HEADER_BYTES) {
        expect(state).toBeUndefined();
        continue;
      }
      const records = Math.floor((length - JOURNAL_HEADER_BYTES) / JOURNAL_RECORD_BYTES);
      expect(state!.pieces.size).toBe(Math.min(records, 4));
      expect(state!.endBytes).toBe(JOURNAL_HEADER_BYTES + records * JOURNAL_RECORD_BYTES);
    }
  });

  it("ends at the first record that is damaged, wherever the damage is", () => {
    const whole = journal(written(0, 1, 2));
    for (let at = 0; at < JOURNAL_RECORD_BYTES; at++) {
      const damaged = whole.slice();
      damaged[JOURNAL_HEADER_BYTES + JOURNAL_RECORD_BYTES + at]! ^= 0x10;
      expect([...parseJournal(damaged, infoHash, geometry)!.pieces.keys()]).toEqual([0]);
    }
  });

  it("takes zeros behind the last record for nothing", () => {
    const state = parseJournal(journal(written(4), new Uint8Array(120)), infoHash, geometry);
    expect([...state!.pieces.keys()]).toEqual([4]);
  });

  it("that is all zeros, as a power cut may leave one that was just made, was never begun", () => {
    for (const length of [0, 1, 64, 200]) {
      expect(parseJournal(new Uint8Array(length), infoHash, geometry)).toBeUndefined();
    }
  });

  it("does not believe a piece that the torrent does not have", () => {
    expect(parseJournal(journal(written(11)), infoHash, geometry)!.pieces.size).toBe(0);
  });

  it("refuses another torrent, another cut, another version and what is no journal", () => {
    const refused = (bytes: Uint8Array, hash = infoHash, cut = geometry) =>
      expect(() => parseJournal(bytes, hash, cut)).toThrow(StoreFailed);
    refused(journal(), "cd".repeat(32));
    refused(journal(), infoHash, new PieceGeometry(geometry.length, 32_768));
    refused(journal(), infoHash, new PieceGeometry(geometry.length - 1, 16_384));
    refused(new Uint8Array(200).fill(0x20));
    const newer = journal();
    newer[8] = 9;
    expect(() => parseJournal(newer, infoHash, geometry)).toThrow("version 9");
  });

  it("reads whatever it is given without another error than StoreFailed", () => {
    const property = fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, behindHeader) => {
      try {
        parseJournal(behindHeader ? journal(bytes) : bytes, infoHash, geometry);
      } catch (error) {
        expect(error).toBeInstanceOf(StoreFailed);
      }
    });
    fc.assert(property, { numRuns: 500 });
  });

  it("has the checksum that everybody calls CRC-32", () => {
    expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
  });
});
