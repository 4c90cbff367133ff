import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InvalidField } from "#core/base/errors.ts";
import { webCryptoHasher } from "#core/base/hash.ts";
import {
  parseTorrent,
  parseTorrentText,
  type TorrentJson,
  torrentJson,
  torrentText,
} from "#core/torrent/torrent-json.ts";
import { anyTorrentJson } from "../../support/swarms/arbitrary-torrent.ts";

const parse = (value: unknown) => parseTorrent(value, webCryptoHasher);

/** Another value of the same type, near the given one. */
function mutated(value: unknown, random: number): unknown {
  if (typeof value === "number") return value + (random % 2 ? 1 : -1);
  if (typeof value !== "string" || value === "") return null;
  const at = random % value.length;
  const flipped = String.fromCharCode(value.charCodeAt(at) ^ (1 << (random % 7)));
  return value.slice(0, at) + flipped + value.slice(at + 1);
}

/** The places of every value that makes the identity, as paths into the JSON. */
function identityPlaces(json: TorrentJson): (string | number)[][] {
  const lengths = json.length === undefined ? [] : [["length"], ["piece_length"]];
  const pieces = json.pieces.flatMap((_, i) => [
    ["pieces", i, "number"],
    ["pieces", i, "hash"],
  ]);
  const files = (json.files ?? []).flatMap((_, i) => [
    ["files", i, "path"],
    ["files", i, "length"],
  ]);
  return [["file_name"], ["total_pieces"], ...lengths, ...pieces, ...files];
}

function withMutation(json: TorrentJson, place: (string | number)[], random: number): unknown {
  const copy = structuredClone(json) as unknown as Record<string | number, never>;
  const owner = place.slice(0, -1).reduce((value, key) => value[key]!, copy);
  const last = place.at(-1)!;
  (owner as Record<string | number, unknown>)[last] = mutated(owner[last], random);
  return copy;
}

/** A hash in the other case is the same hash. */
const isSame = (a: unknown, b: unknown) =>
  JSON.stringify(a).toLowerCase() === JSON.stringify(b).toLowerCase();

describe("any torrent", () => {
  it("reads back the same from its JSON and from its text", async () => {
    await fc.assert(
      fc.asyncProperty(anyTorrentJson, async (json) => {
        const torrent = await parse(json);
        expect(await parse(torrentJson(torrent))).toEqual(torrent);
        expect(await parseTorrentText(torrentText(torrent), webCryptoHasher)).toEqual(torrent);
      }),
    );
  });

  it("keeps its info hash whatever the order of members and pieces, and whatever is said of it", async () => {
    await fc.assert(
      fc.asyncProperty(anyTorrentJson, fc.string(), async (json, comment) => {
        const { infoHash } = await parse(json);
        const reversed = Object.fromEntries(Object.entries(json).reverse());
        const pieces = [...json.pieces].reverse();
        expect((await parse({ ...reversed, pieces, comment, unknown: 1 })).infoHash).toBe(infoHash);
      }),
    );
  });

  it("is refused or is another torrent once any value of its identity differs", async () => {
    await fc.assert(
      fc.asyncProperty(anyTorrentJson, fc.nat(), fc.nat(), async (draft, where, random) => {
        const json = torrentJson(await parse(draft));
        const places = identityPlaces(json);
        const changed = withMutation(json, places[where % places.length]!, random);
        fc.pre(!isSame(changed, json));
        // With its old info hash: always refused.
        await expect(parse(changed)).rejects.toBeInstanceOf(InvalidField);
        // Without: refused, or another info hash.
        const unclaimed = { ...(changed as TorrentJson), info_hash: undefined };
        const reading = await parse(unclaimed).catch((error: unknown) => error);
        if (reading instanceof Error) expect(reading).toBeInstanceOf(InvalidField);
        else expect(reading).not.toMatchObject({ infoHash: json.info_hash });
      }),
      { numRuns: 1_000 },
    );
  });

  it("is refused with a typed error whatever the value", async () => {
    await fc.assert(
      fc.asyncProperty(anyTorrentJson, fc.string(), fc.jsonValue(), async (json, key, value) => {
        for (const changed of [value, { ...json, [key]: value }, { ...json, pieces: value }]) {
          const reading = await parse(changed).catch((error: unknown) => error);
          if (reading instanceof Error) expect(reading).toBeInstanceOf(InvalidField);
        }
      }),
    );
  });
});
