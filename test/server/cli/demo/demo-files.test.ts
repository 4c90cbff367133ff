import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { parseTorrentText } from "#core/torrent/torrent-json.ts";
import { nodeHasher } from "../../../../server/base/node-hasher.ts";
import { DEMO_PEERS, inventoryText, partOf } from "../../../../server/cli/demo/demo.ts";
import { demoFiles, silentMp3 } from "../../../../server/cli/demo/demo-files.ts";

const fixture = (name: string) => readFile(new URL(`../../../../fixtures/${name}`, import.meta.url), "utf8");
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

describe("shakira.mp3", () => {
  const bytes = Buffer.concat([...silentMp3()]);

  it("is what fixtures/shakira.json says, in the exact legacy form", async () => {
    const json = JSON.parse(await fixture("shakira.json"));
    const hashes = Array.from({ length: Math.ceil(bytes.length / 65_536) }, (_, n) =>
      sha256(bytes.subarray(n * 65_536, (n + 1) * 65_536)),
    );
    expect(json).toEqual({
      file_name: "shakira.mp3",
      total_pieces: hashes.length,
      pieces: hashes.map((hash, n) => ({ number: n + 1, hash })),
    });
    expect(new Set(hashes).size).toBe(5);
  });

  it("is frame after frame of 128 kbit/s mono at 48 kHz, with nothing in between that looks like a header", () => {
    expect(bytes.length % 384).toBe(0);
    const starts = [];
    for (let at = bytes.indexOf(0xff); at >= 0; at = bytes.indexOf(0xff, at + 1)) starts.push(at);
    expect(starts).toEqual(Array.from({ length: bytes.length / 384 }, (_, frame) => frame * 384));
    expect(new Set(starts.map((at) => bytes.readUInt32BE(at)))).toEqual(new Set([0xfffb94c4]));
  });

  it.each([1, 2])("is held in part by fixtures/peer-%d.json, as by the demo's peer", async (n) => {
    const torrent = await parseTorrentText(await fixture("shakira.json"), nodeHasher);
    expect(await fixture(`peer-${n}.json`)).toBe(inventoryText(n, [torrent]));
  });
});

it("the demo's files are the same bytes on every machine", () => {
  const digests = demoFiles.map(({ fileName, parts }) => {
    const hash = createHash("sha256");
    for (const [path, chunks] of parts) {
      hash.update(path);
      for (const chunk of chunks()) hash.update(chunk);
    }
    return `${fileName} ${hash.digest("hex").slice(0, 16)}`;
  });
  expect(digests).toMatchInlineSnapshot(`
    [
      "greeting 7110320663cb7bac",
      "shakira.mp3 46b53348810a0c0c",
      "lectures 0fdbf6879e34abc0",
      "ocean-64MiB.bin aa7346b827fbff28",
    ]
  `);
});

const partsOf = (total: number) =>
  Array.from({ length: DEMO_PEERS }, (_, n) => new Set(partOf(n + 1, total)));

it.each([2, 3, 4, 5, 64, 1000])(
  "each of %d pieces is held by two demo peers or more, so any one may die",
  (total) => {
    const parts = partsOf(total);
    for (let number = 1; number <= total; number++) {
      expect(parts.filter((part) => part.has(number)).length).toBeGreaterThanOrEqual(2);
    }
  },
);

it.each([3, 4, 5, 64, 1000])("no demo peer holds all of %d pieces", (total) => {
  for (const part of partsOf(total)) expect(part.size).toBeLessThan(total);
});

it("a single piece is held by every demo peer", () => {
  for (let n = 1; n <= DEMO_PEERS; n++) expect(partOf(n, 1)).toEqual([1]);
});
