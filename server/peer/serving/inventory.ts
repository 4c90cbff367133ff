import { readFile } from "node:fs/promises";
import { InvalidField } from "#core/base/errors.ts";
import { isSha256Hex } from "#core/base/hash.ts";
import { asArray, asObject, asText, asWholeNumber } from "#core/torrent/json-fields.ts";
import { parseJson } from "#core/torrent/json-text.ts";
import { MAX_PIECES } from "#core/torrent/piece.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { MAX_TORRENT_JSON_BYTES } from "#core/torrent/torrent-json.ts";

/** A piece that an inventory names. */
interface InventoryPiece {
  readonly number: number;
  /** Any text; `piecesOf` checks that it is a hash. */
  readonly hash: string;
  /** The place in the inventory, for error messages. */
  readonly field: string;
}

interface InventoryFile {
  readonly fileName: string;
  readonly pieces: readonly InventoryPiece[];
}

const MAX_TEXT_BYTES = 1_024;
/** An inventory names pieces as a torrent does, so it may be as long. */
const MAX_INVENTORY_BYTES = MAX_TORRENT_JSON_BYTES;

/** The pieces that a peer holds of each file: a `peer-n.json` of the legacy contract. */
export class Inventory {
  readonly #files: readonly InventoryFile[];

  private constructor(files: readonly InventoryFile[]) {
    this.#files = files;
  }

  /** Throws InvalidField, as in `file_info[0].pieces[2].number`. */
  static parse(value: unknown): Inventory {
    const list = asArray(asObject(value, "inventory").file_info, "file_info");
    return new Inventory(list.map(parseFile));
  }

  /** Fails with InvalidField, and with errors of the file system. */
  static async read(path: string): Promise<Inventory> {
    return Inventory.parse(parseJson(await readFile(path, "utf8"), "inventory", MAX_INVENTORY_BYTES));
  }

  get fileNames(): string[] {
    return [...new Set(this.#files.map(({ fileName }) => fileName))];
  }

  /**
   * The numbers of the torrent's pieces that the inventory names, ascending; none if it does not name the file.
   * Throws InvalidField for a number or a hash that the torrent does not have. An entry's `total` counts the pieces
   * that the peer holds, not those of the torrent, so it is not compared.
   */
  piecesOf(torrent: Torrent): number[] {
    const numbers = new Set<number>();
    for (const { fileName, pieces } of this.#files) {
      if (fileName !== torrent.fileName) continue;
      for (const { number, hash, field } of pieces) {
        const expected = torrent.pieces[number - 1];
        if (expected === undefined) {
          throw new InvalidField(
            `${field}.number`,
            `is ${number}, the torrent has ${torrent.pieces.length} pieces`,
          );
        }
        if (!isSha256Hex(hash)) throw new InvalidField(`${field}.hash`, "is no SHA-256");
        if (hash.toLowerCase() !== expected) {
          throw new InvalidField(`${field}.hash`, `is not the hash of piece ${number} in the torrent`);
        }
        numbers.add(number);
      }
    }
    return [...numbers].sort((a, b) => a - b);
  }
}

function parseFile(value: unknown, n: number): InventoryFile {
  const field = `file_info[${n}]`;
  const entry = asObject(value, field);
  const fileName = asText(entry.file_name, `${field}.file_name`, MAX_TEXT_BYTES);
  asWholeNumber(entry.total, `${field}.total`, 0, MAX_PIECES);
  const seen = new Set<number>();
  const pieces = asArray(entry.pieces, `${field}.pieces`).map((piece, p) => {
    const parsed = parsePiece(piece, `${field}.pieces[${p}]`);
    if (seen.has(parsed.number)) throw new InvalidField(`${parsed.field}.number`, "is there twice");
    seen.add(parsed.number);
    return parsed;
  });
  return { fileName, pieces };
}

function parsePiece(value: unknown, field: string): InventoryPiece {
  const piece = asObject(value, field);
  return {
    number: asWholeNumber(piece.number, `${field}.number`, 1, MAX_PIECES),
    hash: asText(piece.hash, `${field}.hash`, MAX_TEXT_BYTES),
    field,
  };
}
