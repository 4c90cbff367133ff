import { describe, expect, it } from "vitest";
import { contentPath } from "#core/content/content-path.ts";
import { metalinkText } from "#core/content/metalink.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import { HASH_OF_NOTHING } from "#core/torrent/torrent-json.ts";
import { makeTorrent } from "../../support/swarms/made-torrent.ts";

const KiB = 1 << 10;
const gateways = ["http://one.example:8090", "https://two.example/under"];

/** The lines between the tags of the `at`-th file. */
function fileLines(text: string, at = 0): string[] {
  const [, element] = text
    .split("<file ")
    [at + 1]!.split("</file>")[0]!
    .split(/^[^\n]*\n/);
  return element!.trim().split("\n");
}

const urls = ({ infoHash }: Torrent, ...names: string[]) =>
  gateways.map((gateway) => `<url>${gateway}${contentPath(infoHash, names)}</url>`);

describe("a Metalink", () => {
  it("of a file has its size, the hashes of its pieces and the content URL at each gateway", async () => {
    const { torrent } = await makeTorrent({ fileName: "a b.bin", length: 40 * KiB });
    expect(fileLines(metalinkText(torrent, gateways))).toEqual([
      `<size>${40 * KiB}</size>`,
      `<pieces type="sha-256" length="${16 * KiB}">`,
      ...torrent.pieces.map((hash) => `<hash>${hash}</hash>`),
      "</pieces>",
      ...urls(torrent, "a b.bin"),
    ]);
  });

  it("has the hash of a file that is one piece, and of an empty one", async () => {
    const { torrent } = await makeTorrent({ length: 7 });
    expect(fileLines(metalinkText(torrent, gateways))[1]).toBe(
      `<hash type="sha-256">${torrent.pieces[0]}</hash>`,
    );
    const empty = await makeTorrent({ length: 0 });
    expect(fileLines(metalinkText(empty.torrent, gateways))[1]).toBe(
      `<hash type="sha-256">${HASH_OF_NOTHING}</hash>`,
    );
  });

  it("of a folder has hashes only for files that share no piece with another", async () => {
    const files = [
      { path: "aligned", length: 32 * KiB },
      { path: "empty", length: 0 },
      { path: "ends inside", length: 5 },
      { path: "sub/begins inside", length: 16 * KiB - 5 },
      { path: "sub/último", length: 3 },
    ];
    const { torrent } = await makeTorrent({ fileName: "folder", files });
    const text = metalinkText(torrent, gateways);
    const hashesOf = (at: number) => fileLines(text, at).filter((line) => line.includes("hash"));
    expect(hashesOf(0)).toEqual(torrent.pieces.slice(0, 2).map((hash) => `<hash>${hash}</hash>`));
    expect(hashesOf(1)).toEqual([`<hash type="sha-256">${HASH_OF_NOTHING}</hash>`]);
    expect(hashesOf(2)).toEqual([]);
    expect(hashesOf(3)).toEqual([]);
    expect(hashesOf(4)).toEqual([`<hash type="sha-256">${torrent.pieces[3]}</hash>`]);
    expect(text).toContain('<file name="folder/sub/último">');
    expect(fileLines(text, 4)).toEqual(expect.arrayContaining(urls(torrent, "folder", "sub", "último")));
  });

  it("escapes every name, and refuses one that XML cannot have", async () => {
    const { torrent } = await makeTorrent({ fileName: "<a> & \"b\" 'c'", length: 1 });
    expect(metalinkText(torrent, gateways)).toContain(`name="&#60;a> &#38; &#34;b&#34; 'c'"`);
    const odd = await makeTorrent({ fileName: "a\uFFFE", length: 1 });
    expect(() => metalinkText(odd.torrent, gateways)).toThrow("a Metalink cannot have");
  });

  it("has one gateway's URL for each file of a very large folder", async () => {
    const files = Array.from({ length: 40_000 }, (_, at) => ({
      path: String(at).padStart(6, "0"),
      length: 0,
    }));
    const { torrent } = await makeTorrent({ fileName: "many", files });
    expect(metalinkText(torrent, gateways).match(/<url>/g)).toHaveLength(40_000);
  });
});
