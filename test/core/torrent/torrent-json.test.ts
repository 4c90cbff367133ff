import { describe, expect, it } from "vitest";
import { InvalidField } from "#core/base/errors.ts";
import { webCryptoHasher } from "#core/base/hash.ts";
import { parseTorrent, parseTorrentText, torrentJson, torrentText } from "#core/torrent/torrent-json.ts";

const hashOfNothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const hash = (digit: string) => digit.repeat(64);
const parse = (value: unknown) => parseTorrent(value, webCryptoHasher);
const piecesOf = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ number: i + 1, hash: hash("a") }));

const seed = () => ({ file_name: "file.txt", total_pieces: 2, pieces: piecesOf(2) });
const full = () => ({ ...seed(), length: 20_000, piece_length: 16_384 });
const folder = (...files: unknown[]) => ({ ...full(), files });
const file = (path: unknown, length: unknown = 0) => ({ path, length });
/** Fills up to the 20,000 bytes of `full` with a file that comes last. */
const rest = file("zzz", 20_000);

function withPiece(place: number, change: object): object {
  const torrent = seed();
  torrent.pieces[place] = { ...torrent.pieces[place]!, ...change };
  return torrent;
}

/** What is refused, and the field that the refusal names. */
const refused: [string, unknown, field: string][] = [
  ["nothing", undefined, "torrent"],
  ["null", null, "torrent"],
  ["a list", [], "torrent"],
  ["a text", "{}", "torrent"],
  ["no file name", { ...seed(), file_name: undefined }, "file_name"],
  ["a file name of null", { ...seed(), file_name: null }, "file_name"],
  ["a file name that leaves the folder", { ...seed(), file_name: "../x" }, "file_name"],
  ["no pieces", { ...seed(), pieces: undefined }, "pieces"],
  ["pieces that are no list", { ...seed(), pieces: { 0: {} } }, "pieces"],
  ["an empty list of pieces", { ...seed(), pieces: [], total_pieces: 0 }, "total_pieces"],
  ["more than 131,072 pieces", { ...seed(), total_pieces: 131_073, pieces: piecesOf(131_073) }, "pieces"],
  ["no total", { ...seed(), total_pieces: undefined }, "total_pieces"],
  ["a total as text", { ...seed(), total_pieces: "2" }, "total_pieces"],
  ["a total of 5 with 2 pieces", { ...seed(), total_pieces: 5 }, "total_pieces"],
  ["a total of 1 with 2 pieces", { ...seed(), total_pieces: 1 }, "total_pieces"],
  ["a total of 1.5", { ...seed(), total_pieces: 1.5 }, "total_pieces"],
  ["a piece of null", { ...seed(), pieces: [piecesOf(1)[0], null] }, "pieces[1]"],
  ["a piece without a number", withPiece(1, { number: undefined }), "pieces[1].number"],
  ["a number as text", withPiece(1, { number: "2" }), "pieces[1].number"],
  ["number 0", withPiece(0, { number: 0 }), "pieces[0].number"],
  ["number 3 of 2", withPiece(1, { number: 3 }), "pieces[1].number"],
  ["number -1", withPiece(1, { number: -1 }), "pieces[1].number"],
  ["number 1.5", withPiece(1, { number: 1.5 }), "pieces[1].number"],
  ["a number twice", withPiece(1, { number: 1 }), "pieces[1].number"],
  ["a placeholder hash", withPiece(0, { hash: "abcd1234" }), "pieces[0].hash"],
  ["no hash", withPiece(1, { hash: undefined }), "pieces[1].hash"],
  ["a hash of 63 digits", withPiece(1, { hash: hash("a").slice(1) }), "pieces[1].hash"],
  ["a hash of 65 digits", withPiece(1, { hash: `${hash("a")}a` }), "pieces[1].hash"],
  ["a hash with a newline", withPiece(1, { hash: `${hash("a")}\n` }), "pieces[1].hash"],
  ["a hash that is not hex", withPiece(1, { hash: hash("g") }), "pieces[1].hash"],
  ["length alone", { ...seed(), length: 20_000 }, "piece_length"],
  ["piece_length alone", { ...seed(), piece_length: 16_384 }, "length"],
  ["length null", { ...full(), length: null }, "length"],
  ["length as text", { ...full(), length: "20000" }, "length"],
  ["length -1", { ...full(), length: -1 }, "length"],
  ["length past 2^53", { ...full(), length: 2 ** 53 }, "length"],
  ["length past 2^64", { ...full(), length: 1e300 }, "length"],
  ["piece_length 8 KiB", { ...full(), piece_length: 8_192 }, "piece_length"],
  ["piece_length 32 MiB", { ...full(), piece_length: 2 ** 25 }, "piece_length"],
  ["piece_length 2^40", { ...full(), piece_length: 2 ** 40 }, "piece_length"],
  ["piece_length no power of two", { ...full(), piece_length: 16_385 }, "piece_length"],
  ["one byte too many for 2 pieces", { ...full(), length: 32_769 }, "total_pieces"],
  ["a byte too few for 2 pieces", { ...full(), length: 16_384 }, "total_pieces"],
  [
    "0 bytes with another hash",
    { ...full(), length: 0, total_pieces: 1, pieces: piecesOf(1) },
    "pieces[0].hash",
  ],
  ["an info hash of another torrent", { ...seed(), info_hash: hash("0") }, "info_hash"],
  ["an info hash of null", { ...seed(), info_hash: null }, "info_hash"],
  ["an info hash that is none", { ...seed(), info_hash: "1234" }, "info_hash"],
  ["files without lengths", { ...seed(), files: [file("a", 1)] }, "files"],
  ["files of null", { ...full(), files: null }, "files"],
  ["no files", folder(), "files"],
  ["a file of null", folder(null), "files[0]"],
  ["a file without a path", folder(file(undefined, 20_000)), "files[0].path"],
  ["a file that leaves the folder", folder(file("a"), file("b/../../c"), rest), "files[1].path"],
  ["an absolute path", folder(file("/etc/passwd"), rest), "files[0].path"],
  ["a file without a length", folder(file("a", null), rest), "files[0].length"],
  ["a file of -1 bytes", folder(file("a", -1), rest), "files[0].length"],
  ["files that sum up to too little", folder(file("a", 19_999)), "files"],
  ["files that sum up to too much", folder(file("a", 1), rest), "files"],
  ["files that sum up past 2^53", folder(...["a", "b", "c"].map((p) => file(p, 2 ** 53 - 1))), "files"],
  ["a file twice", folder(file("a"), file("a"), rest), "files[1].path"],
  ["files out of order", folder(file("b"), file("a"), rest), "files[1].path"],
  ["files in UTF-16 order", folder(file("🎵"), file("～"), file("🎶", 20_000)), "files[1].path"],
  ["files that differ in case", folder(file("A"), file("a"), rest), "files[1].path"],
  ["files that differ in normal form", folder(file("e\u0301"), file("é", 20_000)), "files[1].path"],
  ["a file that is another's folder", folder(file("a"), file("a/b"), rest), "files[1].path"],
  ["a file that is another's folder in other case", folder(file("A/b"), file("a"), rest), "files[1].path"],
  ["folders that differ in case", folder(file("A/b"), file("a/c"), rest), "files[1].path"],
  ["trackers that are no list", { ...seed(), trackers: "http://a" }, "trackers"],
  ["trackers of null", { ...seed(), trackers: null }, "trackers"],
  ["17 trackers", { ...seed(), trackers: Array(17).fill("http://a") }, "trackers"],
  ["a comment of null", { ...seed(), comment: null }, "comment"],
  ["a comment that is no text", { ...seed(), comment: {} }, "comment"],
  ["a comment too long", { ...seed(), comment: "é".repeat(2_049) }, "comment"],
  ["half a character", { ...seed(), comment: "\ud83c" }, "comment"],
  ["a time as a number", { ...seed(), created_at: 1_700_000_000 }, "created_at"],
  ["a time without a zone", { ...seed(), created_at: "2026-01-31T12:00:00" }, "created_at"],
  ["a day that is not", { ...seed(), created_at: "2026-02-29T12:00:00Z" }, "created_at"],
  ["day 0", { ...seed(), created_at: "2026-02-00T12:00:00Z" }, "created_at"],
  ["an hour that is not", { ...seed(), created_at: "2026-02-01T24:00:00Z" }, "created_at"],
  ["a replication target of null", { ...seed(), replication_target: null }, "replication_target"],
  ["a replication target of -1", { ...seed(), replication_target: -1 }, "replication_target"],
  ["a replication target of 1,001", { ...seed(), replication_target: 1_001 }, "replication_target"],
];

describe("a torrent is refused for", () => {
  it.each(refused)("%s", async (_, value, field) => {
    const refusal = await parse(value).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(InvalidField);
    expect(refusal).toMatchObject({ code: "invalid_argument", field });
    expect((refusal as Error).message).toMatch(/^\S+: .+/);
  });
});

describe("a torrent is taken", () => {
  it("in the legacy form, with hashes in either case and pieces in any order", async () => {
    const [one, two] = [hash("1"), hash("B")];
    const pieces = [
      { number: 2, hash: two },
      { number: 1, hash: one },
    ];
    const torrent = await parse({ ...seed(), pieces });
    expect(torrent.pieces).toEqual([one, two.toLowerCase()]);
    expect(torrent).toMatchObject({ fileName: "file.txt", trackers: [] });
    expect(torrent.lengths).toBeUndefined();
  });

  it("with 0 bytes: one piece of nothing", async () => {
    const torrent = await parse({
      ...full(),
      length: 0,
      total_pieces: 1,
      pieces: [{ number: 1, hash: hashOfNothing }],
    });
    expect(torrent.lengths).toEqual({ length: 0, pieceLength: 16_384 });
  });

  it("with 131,072 pieces, and its text fits into 16 MiB", async () => {
    const torrent = await parse({ ...seed(), total_pieces: 131_072, pieces: piecesOf(131_072) });
    expect(await parseTorrentText(torrentText(torrent), webCryptoHasher)).toEqual(torrent);
  });

  it("with 0 written as -0", async () => {
    const torrent = await parse({ ...seed(), replication_target: -0 });
    expect(torrent.replicationTarget).toBe(0);
  });

  it("with an info hash in upper case", async () => {
    const { infoHash } = await parse(seed());
    expect((await parse({ ...seed(), info_hash: infoHash.toUpperCase() })).infoHash).toBe(infoHash);
  });

  it("with files in the order of their bytes, which is not that of UTF-16", async () => {
    const torrent = await parse(folder(file("a.txt", 1), file("a/b", 2), file("～", 3), file("🎵", 19_994)));
    expect(torrent.files?.map(({ path }) => path)).toEqual(["a.txt", "a/b", "～", "🎵"]);
  });

  it("with everything said of it", async () => {
    const said = {
      trackers: ["http://127.0.0.1:50050", "https://tracker.example/pieza"],
      comment: "¿Qué?\nTwo lines.",
      created_at: "2024-02-29T23:59:60.5+05:30",
      replication_target: 0,
    };
    const torrent = await parse({ ...full(), ...said });
    expect(torrentJson(torrent)).toMatchObject(said);
    expect(torrent.infoHash).toBe((await parse(full())).infoHash);
  });

  it("without the trackers whose URLs are no addresses, which are counted", async () => {
    const good = ["http://a", "https://b:8443/pieza"];
    const bad = [
      ...[
        "here",
        "javascript:alert(1)",
        "udp://a:1",
        "http://a:b@c",
        "http://",
        "http://a:99999",
        "http://a:0",
      ],
      ...[`http://a/${"a".repeat(1_024)}`, "http://a/\u001b[2J", "http://a\u202e", 7],
    ];
    const torrent = await parse({ ...seed(), trackers: [good[0], ...bad, good[1]] });
    expect(torrent).toMatchObject({ trackers: good, badTrackers: bad.length });
    expect(await parse({ ...seed(), trackers: good })).not.toHaveProperty("badTrackers");
  });

  it("with fields that it does not know, which change nothing", async () => {
    const text = JSON.stringify(seed());
    const more = `{"__proto__":{"polluted":1,"length":5},"constructor":null,"toString":1,${text.slice(1)}`;
    const torrent = await parseTorrentText(more, webCryptoHasher);
    expect(torrent).toEqual(await parse(seed()));
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it("with its own members only, whatever a prototype says", async () => {
    const sly: unknown = Object.assign(Object.create({ length: 20_000, piece_length: 16_384 }), seed());
    expect((await parse(sly)).lengths).toBeUndefined();
    await expect(parse(Object.create(seed()))).rejects.toMatchObject({ field: "file_name" });
  });
});

describe("a torrent's text is refused", () => {
  it.each([
    ["that is empty", ""],
    ["that is not JSON", "{file_name: 1}"],
    ["past 16 MiB", `"${" ".repeat(16 << 20)}"`],
    ["past 16 MiB of UTF-8", `"${"€".repeat(6 << 20)}"`],
    ["nested a million deep", `${"[".repeat(1e6)}${"]".repeat(1e6)}`],
    ["nested deep in an unknown field", `{"x":${'{"":'.repeat(40)}1${"}".repeat(40)}}`],
  ])("%s", async (_, text) => {
    await expect(parseTorrentText(text, webCryptoHasher)).rejects.toMatchObject({
      code: "invalid_argument",
      field: "torrent",
    });
  });

  it("not for brackets inside of a text", async () => {
    const text = JSON.stringify({ ...seed(), comment: `${'\\"['.repeat(101)}` });
    await expect(parseTorrentText(text, webCryptoHasher)).resolves.toMatchObject({ fileName: "file.txt" });
  });
});

describe("a torrent's text", () => {
  it("has a line for every piece and ends in a newline", async () => {
    const text = torrentText(await parse(full()));
    expect(text.split("\n").filter((line) => line.includes('"number"'))).toHaveLength(2);
    expect(text.endsWith("}\n")).toBe(true);
    expect(Object.keys(JSON.parse(text))).toEqual([
      "file_name",
      "total_pieces",
      "length",
      "piece_length",
      "info_hash",
      "pieces",
    ]);
  });

  it("is refused past 16 MiB, which pieces and files together can pass", async () => {
    const files = Array.from({ length: 20_000 }, (_, i) => file(`${i + 10_000}`.padEnd(250, "x"), 0));
    const lengths = { length: 131_072 * 16_384, piece_length: 16_384 };
    files[19_999]!.length = lengths.length;
    const torrent = await parse({
      ...seed(),
      ...lengths,
      files,
      total_pieces: 131_072,
      pieces: piecesOf(131_072),
    });
    expect(() => torrentText(torrent)).toThrow("torrent: must be at most 16 MiB of JSON");
  });
});

it("a torrent's JSON of empty objects is refused before they are made", async () => {
  const text = `{"file_name":"x","total_pieces":1,"pieces":[${"{},".repeat(1 << 20)}{}]}`;
  await expect(parseTorrentText(text, webCryptoHasher)).rejects.toThrow("objects and lists");
});
