import { create, type DescMessage, fromJson, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, it } from "vitest";
import { AnnounceEvent, TrackerService } from "#gen/pieza/v1/tracker_pb.ts";
import { TrackerService as LegacyTrackerService } from "#gen/tracker_pb.ts";
import { infoHash, RouterTracker } from "../../support/swarms/router-tracker.ts";

let tracker: RouterTracker;
beforeEach(() => {
  tracker = new RouterTracker(undefined, { hasPiece: async () => true });
});
afterEach(async () => {
  await tracker.close();
  expect(tracker.defects).toEqual([]);
});

const hash = infoHash("a");
const ranges = [{ first: 1, last: 1 }];
const files = [{ file_name: "a.bin", total: 1, pieces: [{ number: 1, hash: "any" }] }];

/** A call of each method that takes texts, with something in every field. Each is accepted as it is. */
const calls: Readonly<Record<string, JsonObject>> = {
  Announce: {
    event: "ANNOUNCE_EVENT_STARTED",
    lease_id: "1",
    lease_secret: "2",
    public_url: "http://127.0.0.1:6001",
    torrents: [{ info_hash: hash, file_name: "a.bin", total_pieces: 2, revision: "1", complete: true }],
    left: [infoHash("b")],
    zone: "rack-1",
    declined: [{ order_id: "3", reason: "DECLINE_REASON_NO_SPACE" }],
    drops: [{ info_hash: hash, total_pieces: 2, ranges }],
    failures: [{ url: "http://127.0.0.1:6002", info_hash: hash, kind: "FAILURE_KIND_UNREACHABLE" }],
  },
  LocatePieces: { info_hash: hash, file_name: "a.bin", zone: "rack-1" },
  Scrape: { info_hashes: [hash] },
  WatchSwarm: { info_hash: hash },
  RegisterPeer: { peer_address: "localhost:6003", file_info: files },
  // The files of a registration that ends are not read.
  DeregisterPeer: { peer_address: "localhost:6003" },
  GetFilePieces: { file_name: "a.bin" },
};

const methods = [...TrackerService.methods, ...LegacyTrackerService.methods];
type Call = (request: unknown) => Promise<unknown> | AsyncIterable<unknown>;

/** Calls a method over the wire, and reads the first answer of a stream. */
async function call({ input, localName }: (typeof methods)[number], json: JsonValue): Promise<unknown> {
  const clients = { ...tracker.client(), ...tracker.legacyClient() } as unknown as Record<string, Call>;
  const answer = clients[localName]!(fromJson(input, json));
  if (answer instanceof Promise) return await answer;
  for await (const first of answer) return first;
  return undefined;
}

/** The paths to all texts of a message, as they are in `json`. */
function textsIn(desc: DescMessage, json: JsonObject, path: string[] = []): string[][] {
  return desc.fields.flatMap((field) => {
    const value = json[field.name];
    if (value === undefined) return [];
    const at = [...path, field.name];
    if (field.message) {
      if (!Array.isArray(value)) return textsIn(field.message, value as JsonObject, at);
      return value.flatMap((each, n) => textsIn(field.message!, each as JsonObject, [...at, String(n)]));
    }
    if (field.fieldKind === "scalar" && typeof create(desc)[field.localName as never] === "string")
      return [at];
    if (field.fieldKind === "list" && field.listKind === "scalar") return [[...at, "0"]];
    return [];
  });
}

/** A copy of `json` with the text at `path` changed. */
function changed(json: JsonValue, [key, ...rest]: string[], to: (text: string) => string): JsonValue {
  if (key === undefined) return to(json as string);
  const copy = structuredClone(json) as Record<string, JsonValue>;
  copy[key] = changed(copy[key]!, rest, to);
  return copy;
}

const fieldName = (path: readonly string[]) => path.join(".").replaceAll(/\.(\d+)/g, "[$1]");
const texts = methods.flatMap((method) =>
  textsIn(method.input, calls[method.name]!).map((path) => ({ method, path, field: fieldName(path) })),
);

it("has every method and every kind of text", async () => {
  expect(methods.map(({ name }) => name).sort()).toEqual(Object.keys(calls).sort());
  expect(texts.length).toBeGreaterThanOrEqual(21);
  for (const method of methods) expect(await call(method, calls[method.name]!), method.name).toBeDefined();
});

it.each(texts)(
  "control characters in $field of $method.name are refused",
  async ({ method, path, field }) => {
    for (const method of methods) await call(method, calls[method.name]!);
    const before = await tracker.client().scrape({});
    for (const control of ["\0", "\n", "\r\n", "\t", "\u001b[2J", "\u007f", "\u0085", "\u2028", "\u2029"]) {
      const sent = call(
        method,
        changed(calls[method.name]!, path, (text) => text + control),
      );
      await expect(sent, JSON.stringify(control)).rejects.toThrow(`[invalid_argument] ${field}`);
    }
    expect(await tracker.client().scrape({})).toEqual(before);
  },
);

it("names of any script are taken, and those with joiners", async () => {
  for (const name of ["ñandú.bin", "电影 2.mkv", "نمی\u200cخواهم.txt", "👩\u200d👩\u200d👧.gif"]) {
    const torrents = [{ infoHash: hash, fileName: name, totalPieces: 2, revision: 1n, complete: true }];
    await tracker.client().announce({ event: AnnounceEvent.STARTED, torrents });
    expect((await tracker.client().locatePieces({ fileName: name })).infoHash).toBe(hash);
  }
});
