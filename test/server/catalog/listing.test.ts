import { describe, expect, it } from "vitest";
import { byKey, type ListQuery, listingOf, pageOf } from "../../../server/catalog/listing.ts";
import { legacyTorrent } from "./legacy-torrent.ts";

const listed = async (names: string[], comment?: string) => {
  const all = await Promise.all(
    names.map(async (name) =>
      listingOf(name, await legacyTorrent(`${name}.bin`, name, comment ? { comment } : {})),
    ),
  );
  return all.sort(byKey);
};

/** The names on every page, a list for each. */
function pages(all: Parameters<typeof pageOf>[0], query: ListQuery): string[][] {
  const found: string[][] = [];
  for (let pageToken = ""; ; ) {
    const page = pageOf(all, { ...query, pageToken });
    found.push(page.torrents.map(({ name }) => name));
    pageToken = page.nextPageToken;
    if (!pageToken) return found;
  }
}

describe("a list", () => {
  it("goes by name, in which case does not count", async () => {
    expect(pages(await listed(["b", "C", "a", "Á", "日本"]), {})).toEqual([["a", "b", "C", "Á", "日本"]]);
  });

  it.each([
    [1, [["a"], ["b"], ["c"], ["d"]]],
    [
      2,
      [
        ["a", "b"],
        ["c", "d"],
      ],
    ],
    [3, [["a", "b", "c"], ["d"]]],
    [4, [["a", "b", "c", "d"]]],
    [1_000, [["a", "b", "c", "d"]]],
  ])("comes in pages of %i", async (pageSize, expected) => {
    expect(pages(await listed(["a", "b", "c", "d"]), { pageSize })).toEqual(expected);
  });

  it("has 100 on a page unless asked for more", async () => {
    const all = await listed(Array.from({ length: 101 }, (_, n) => `n${n}`));
    expect(pages(all, {}).map(({ length }) => length)).toEqual([100, 1]);
    expect(pageOf(all, {}).totalSize).toBe(101);
  });

  it("shows nobody twice and leaves nobody out when others come and go between two pages", async () => {
    const { nextPageToken } = pageOf(await listed(["b", "d", "f"]), { pageSize: 2 });
    const later = await listed(["a", "b", "c", "e", "f"]);
    expect(pageOf(later, { pageToken: nextPageToken }).torrents.map(({ name }) => name)).toEqual(["e", "f"]);
  });

  it("stays under 2 MiB a page, however long the comments are", async () => {
    const all = await listed(
      Array.from({ length: 1_000 }, (_, n) => `n${n}`),
      "x".repeat(4_096),
    );
    const sizes = pages(all, { pageSize: 1_000 });
    expect(sizes.flat()).toHaveLength(1_000);
    expect(JSON.stringify(pageOf(all, { pageSize: 1_000 })).length).toBeLessThan(2 << 20);
  });

  it.each([
    ["of the name, in any case", "ALPH", ["alpha"]],
    ["of the file name", "eta.bin", ["beta"]],
    ["of the comment", "about", ["alpha", "beta"]],
    ["of nothing", "zzz", []],
    ["with marks composed or not", "e\u0301", ["é"]],
  ])("finds a part %s", async (_, search, expected) => {
    const all = [...(await listed(["alpha", "beta"], "About it")), ...(await listed(["é"]))].sort(byKey);
    expect(pages(all, { search })).toEqual([expected]);
    expect(pageOf(all, { search, pageSize: 1 }).totalSize).toBe(expected.length);
  });

  it("finds the beginning of an info hash in either case", async () => {
    const all = await listed(["alpha", "beta"]);
    const { infoHash } = all[1]!.summary;
    expect(pages(all, { search: infoHash.slice(0, 12).toUpperCase() })).toEqual([["beta"]]);
    expect(pages(all, { search: infoHash.slice(4, 16) })).toEqual([[]]);
  });

  it.each([
    [{ pageSize: 1_001 }, "page_size"],
    [{ search: "é".repeat(128) }, "search"],
    [{ pageToken: "?" }, "page_token"],
    [{ pageToken: Buffer.from("../x").toString("base64url") }, "page_token"],
  ])("refuses %j", async (query, field) => {
    const all = await listed(["a"]);
    expect(() => pageOf(all, query)).toThrow(expect.objectContaining({ code: "invalid_argument", field }));
  });
});
