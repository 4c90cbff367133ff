import { createHash } from "node:crypto";
import fc from "fast-check";
import { foldName } from "#core/base/file-name.ts";
import type { TorrentJson } from "#core/torrent/torrent-json.ts";

/** 64 hex digits. */
export const anyHash = fc.nat().map((n) => createHash("sha256").update(`${n}`).digest("hex"));

/** Names in a few scripts that need care: joiners, combining marks, pairs of surrogates. */
export const anyName = fc
  .array(fc.constantFrom(..."abcXYZ09 ._-%#\"'éñ日本дשسम🎵", "e\u0301", "ब\u200d"), {
    minLength: 1,
    maxLength: 12,
  })
  .map((parts) => `f${parts.join("")}x`);

const remarks = {
  trackers: fc.array(fc.webUrl({ validSchemes: ["http", "https"] }), { minLength: 1, maxLength: 3 }),
  comment: fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }),
  created_at: fc
    .date({ min: new Date(0), max: new Date("2100-01-01T00:00:00Z"), noInvalidDate: true })
    .map((date) => date.toISOString()),
  replication_target: fc.integer({ min: 0, max: 1_000 }),
};

const anyRemarks = fc.record(remarks, { requiredKeys: [] });
const anyPieces = fc.array(anyHash, { minLength: 1, maxLength: 6 });
const anyPieceLength = fc.integer({ min: 14, max: 24 }).map((bits) => 2 ** bits);

type Draft = Omit<TorrentJson, "info_hash">;

function draft(file_name: string, hashes: string[], more: Partial<Draft>): Draft {
  const pieces = hashes.map((hash, index) => ({ number: index + 1, hash }));
  return { file_name, total_pieces: pieces.length, ...more, pieces };
}

const seedForm = fc
  .tuple(anyName, anyPieces, anyRemarks)
  .map(([name, hashes, said]) => draft(name, hashes, said));

const withLengths = fc
  .tuple(anyName, anyPieces, anyRemarks, anyPieceLength, fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([name, hashes, said, piece_length, part]) => {
    const lastLength = Math.max(1, Math.round(part * piece_length));
    return draft(name, hashes, {
      ...said,
      length: (hashes.length - 1) * piece_length + lastLength,
      piece_length,
    });
  });

const folder = fc
  .tuple(
    withLengths,
    fc.uniqueArray(anyName, { minLength: 1, maxLength: 4, selector: foldName }),
    fc.boolean(),
  )
  .map(([json, names, nested]) => {
    const paths = names
      .map((name, index) => (nested && index % 2 ? `dir/${name}` : name))
      .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const files = paths.map((path, index) => ({ path, length: index === 0 ? json.length! : 0 }));
    return { ...json, files };
  });

/** Any torrent that the format takes, as JSON without its info hash. */
export const anyTorrentJson: fc.Arbitrary<Draft> = fc.oneof(seedForm, withLengths, folder);
