import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { buffer, text } from "node:stream/consumers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { contentPath } from "#core/content/content-path.ts";
import { MemoryPieceStore } from "#core/ports/store.ts";
import { type Serving, startServing } from "../../../../server/peer/serving/serving.ts";
import { type Nginx, startNginx } from "../../../support/processes/nginx.ts";
import { type MadeTorrent, makeTorrent } from "../../../support/swarms/made-torrent.ts";

const PIECE = 64 << 10;
const FOLDER = "a folder of files";
const files = [
  { path: "a film.mp4", length: 3 * PIECE + 1_234 },
  { path: "empty.txt", length: 0 },
  { path: "page.html", length: 5_000 },
  { path: "sub/notes.txt", length: 70_000 },
  { path: "sub/Überblick 日本 (1)'.bin", length: 2 * PIECE },
];

let folder: MadeTorrent;
let single: MadeTorrent;
let peer: Serving;
let nginx: Nginx;
let disk: string;

beforeAll(async () => {
  folder = await makeTorrent({ files, pieceLength: PIECE, fileName: FOLDER });
  single = await makeTorrent({ length: 3 * PIECE + 7, pieceLength: PIECE, fileName: "single.iso", seed: 2 });
  peer = await startServing({ port: 0 });
  for (const made of [folder, single])
    peer.torrents.add(
      made.torrent,
      storeOf(made, () => true),
    );
  disk = await mkdtemp(join(tmpdir(), "pieza-content-"));
  for (const { path } of files) {
    const at = join(disk, FOLDER, path);
    await mkdir(dirname(at), { recursive: true });
    await writeFile(at, bytesOf(path));
  }
  await writeFile(join(disk, "single.iso"), single.whole);
  nginx = await startNginx({
    http: () => "include /etc/nginx/mime.types; default_type application/octet-stream;",
    server: () => `
      max_ranges 1; if_modified_since off;
      location /content/${folder.torrent.infoHash}/ { alias ${disk}/; }
      location /content/${single.torrent.infoHash}/ { alias ${disk}/; }`,
  });
}, 30_000);
afterAll(async () => {
  await nginx?.stop();
  await peer?.server.close({ graceMs: 0 });
  await rm(disk, { recursive: true, force: true });
});

function storeOf(made: MadeTorrent, has: (index: number) => boolean): MemoryPieceStore {
  const store = new MemoryPieceStore(made.geometry);
  for (const index of made.geometry.indices()) {
    if (!has(index)) continue;
    store.write(index, 0, made.bytes(index));
    store.commit(index);
  }
  return store;
}

function bytesOf(path: string): Uint8Array {
  const at = files.findIndex((file) => file.path === path);
  const offset = files.slice(0, at).reduce((sum, { length }) => sum + length, 0);
  return folder.whole.subarray(offset, offset + files[at]!.length);
}

function pathOf(path: string): string {
  return contentPath(folder.torrent.infoHash, [FOLDER, ...path.split("/")]);
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
}

async function ask(base: string, path: string, headers: Record<string, string>, method = "GET") {
  const answer = await fetch(`${base}${path}`, { method, headers, redirect: "manual" });
  const body = Buffer.from(await answer.bytes());
  return { status: answer.status, headers: answer.headers, body } satisfies Answer;
}

const kinds = ["", "W/", "wrong"] as const;
/** Requests by what they ask; "ETAG" stands for the tag that the asked server gives the file. */
const requests: [path: string, headers: Record<string, string>, method?: string][] = [
  ...["a film.mp4", "empty.txt", "page.html", "sub/notes.txt", files[4]!.path].flatMap(
    (path): typeof requests => [
      [path, {}],
      [path, {}, "HEAD"],
      [path, { range: "bytes=0-" }],
      [path, { range: "bytes=-500" }],
      [path, { range: "bytes=1000-1999" }],
      [path, { "if-none-match": "ETAG" }],
    ],
  ),
  ...[
    "bytes=0-0",
    "bytes=65535-65536",
    "bytes=65536-131071",
    "bytes=-1",
    "bytes=-0",
    "bytes=-999999999",
    "bytes=197842-",
    "bytes=197841-",
    "bytes=197842-197900",
    "bytes=0-999999999",
    "bytes=999999999-",
    "bytes=5-2",
    "bytes=-",
    "bytes=x-y",
    "bytes= 1-2",
    "bytes=0-1,5-9",
    "lines=1-2",
    "BYTES=0-9",
  ].map((range): (typeof requests)[0] => ["a film.mp4", { range }]),
  ["a film.mp4", { range: "bytes=0-9" }, "HEAD"],
  ...kinds.map((kind): (typeof requests)[0] => ["a film.mp4", { "if-none-match": `${kind}ETAG` }]),
  ...kinds.map((kind): (typeof requests)[0] => [
    "a film.mp4",
    { range: "bytes=2-8", "if-range": `${kind}ETAG` },
  ]),
  ["a film.mp4", { "if-none-match": "*" }],
  ["a film.mp4", { "if-none-match": '"one", ETAG, "two"' }],
  ["a film.mp4", { "if-match": "ETAG" }],
  ["a film.mp4", { "if-match": '"other"' }],
  ["a film.mp4", { "if-match": "*", range: "bytes=7-70" }],
  ["a film.mp4", { "if-none-match": "ETAG", range: "bytes=7-70" }],
  ["a film.mp4", {}, "DELETE"],
  ["no such file", {}],
  ["sub/no such file", { range: "bytes=0-1" }],
];

describe("a content URL beside nginx with the same files", () => {
  it("is compared in 64 requests", () => expect(requests).toHaveLength(64));

  it.each(requests)("%s %o %s: the same status, headers and bytes", async (path, headers, method) => {
    const [ours, theirs] = await Promise.all(
      [peer.server.url, nginx.url].map(async (base) => {
        const { headers: known } = await ask(base, pathOf("a film.mp4"), {}, "HEAD");
        const { headers: own } = await ask(base, pathOf(path), {}, "HEAD");
        const etag = own.get("etag") ?? known.get("etag")!;
        const named = Object.entries(headers).map(([name, value]) => [name, value.replace("ETAG", etag)]);
        return ask(base, pathOf(path), Object.fromEntries(named), method);
      }),
    );
    expect(ours!.status).toBe(theirs!.status);
    if (ours!.status >= 400) {
      expect(ours!.headers.get("content-range")).toBe(theirs!.headers.get("content-range"));
      return;
    }
    for (const name of ["content-length", "content-range"])
      expect(ours!.headers.get(name), name).toBe(theirs!.headers.get(name));
    // nginx says it in whole answers only; RFC 9110 (14.3) leaves that open.
    if (theirs!.headers.has("accept-ranges")) expect(ours!.headers.get("accept-ranges")).toBe("bytes");
    const types = [ours!, theirs!].map((one) => one.headers.get("content-type")?.split(";")[0]);
    expect(types[0]).toBe(types[1]);
    expect(ours!.body.equals(theirs!.body)).toBe(true);
  });

  it("gives a list where nginx redirects to a folder", async () => {
    const path = pathOf("sub");
    const [ours, theirs] = await Promise.all([ask(peer.server.url, path, {}), ask(nginx.url, path, {})]);
    expect(ours.status).toBe(theirs.status);
    expect(ours.headers.get("location")).toBe(`${path}/`);
  });
});

describe("the file", () => {
  it("is the same over HTTP/2", async () => {
    const session = connectHttp2(peer.server.url);
    const { status, headers, body } = await askHttp2(session, pathOf("a film.mp4"), { range: "bytes=10-" });
    session.close();
    expect(status).toBe(206);
    expect(headers["content-range"]).toBe(`bytes 10-${3 * PIECE + 1_233}/${3 * PIECE + 1_234}`);
    expect(body.equals(bytesOf("a film.mp4").subarray(10))).toBe(true);
  });

  it("of a torrent of one file has its name behind the info hash", async () => {
    const { body, headers } = await ask(
      peer.server.url,
      contentPath(single.torrent.infoHash, ["single.iso"]),
      {},
    );
    expect(body.equals(single.whole)).toBe(true);
    expect(headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect(headers.get("access-control-allow-origin")).toBe("*");
  });

  it("has names that old and new programs read", async () => {
    const { headers } = await ask(peer.server.url, pathOf(files[4]!.path), {}, "HEAD");
    expect(headers.get("content-disposition")).toBe(
      `attachment; filename="_berblick __ (1)'.bin"; filename*=UTF-8''%C3%9Cberblick%20%E6%97%A5%E6%9C%AC%20%281%29%27.bin`,
    );
  });

  it.each([
    ["a film.mp4", "inline", "video/mp4"],
    ["sub/notes.txt", "inline", "text/plain; charset=utf-8"],
    ["page.html", "attachment", "text/html; charset=utf-8"],
  ])("%s is sandboxed and %s", async (path, kind, type) => {
    const { headers } = await ask(peer.server.url, pathOf(path), {}, "HEAD");
    expect(headers.get("content-security-policy")).toBe("sandbox");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("content-disposition")).toContain(`${kind}; `);
    expect(headers.get("content-type")).toBe(type);
  });

  it.each([
    ["..", "%2e%2e", "single.iso"],
    ["a film.mp4%00"],
    ["sub%2Fnotes.txt"],
    ["sub\\notes.txt"],
    ["sub%5Cnotes.txt"],
    ["a film.mp4", "below"],
    ["a film.mp4", ""],
    [""],
    ["."],
  ])("is not found at %s %s %s", async (...names) => {
    const path = `/content/${folder.torrent.infoHash}/${encodeURI(FOLDER)}/${names.join("/").replace(/ /g, "%20")}`;
    expect(await statusOfRaw(path)).toBe(names[0] === "" ? 200 : 404);
  });

  it.each(["%", "%ff", "%zz"])("is not looked for at %s, which encodes nothing", async (name) =>
    expect(await statusOfRaw(`/content/${folder.torrent.infoHash}/${name}`)).toBe(400),
  );

  it("is not found in a torrent that the peer does not serve", async () => {
    const { status } = await ask(peer.server.url, contentPath("0".repeat(64), ["x"]), {});
    expect(status).toBe(404);
  });

  it("is not found while a piece of it is missing; other files are", async () => {
    const part = await startServing({ port: 0 });
    part.torrents.add(
      folder.torrent,
      storeOf(folder, (index) => index !== 1),
    );
    try {
      const film = await ask(part.server.url, pathOf("a film.mp4"), {});
      expect(film.status).toBe(404);
      expect(film.body.toString()).toContain("holds only a part");
      const tail = await ask(part.server.url, pathOf("a film.mp4"), { range: `bytes=${2 * PIECE}-` });
      expect(tail.status).toBe(206);
      const notes = await ask(part.server.url, pathOf("sub/notes.txt"), {});
      expect(notes.body.equals(bytesOf("sub/notes.txt"))).toBe(true);
    } finally {
      await part.server.close({ graceMs: 0 });
    }
  });
});

describe("the list", () => {
  it("is JSON for those who name JSON, with every file at any depth", async () => {
    const path = contentPath(folder.torrent.infoHash, [], true);
    const { body } = await ask(peer.server.url, path, { accept: "application/json" });
    expect(JSON.parse(body.toString())).toEqual({
      info_hash: folder.torrent.infoHash,
      files: files.map(({ path, length }) => ({ path: `${FOLDER}/${path}`, length, url: pathOf(path) })),
    });
  });

  it("is a page of links for everybody else", async () => {
    const { body, headers } = await ask(peer.server.url, `${pathOf("sub")}/`, {});
    expect(headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(headers.get("content-security-policy")).toContain("sandbox");
    const links = [...body.toString().matchAll(/href="([^"]*)"/g)].map(([, href]) => href);
    expect(links).toEqual(
      [pathOf("sub/notes.txt"), pathOf(files[4]!.path)].map((path) => path.replace(/'/g, "&#39;")),
    );
  });
});

describe("a piece that rots while the file is sent", () => {
  let rotting: MadeTorrent;
  beforeEach(async () => {
    rotting = await makeTorrent({ length: 40 * PIECE, pieceLength: PIECE, fileName: "rots.bin", seed: 3 });
    const store = storeOf(rotting, () => true);
    const read = store.read.bind(store);
    store.read = async (index, into) => {
      if (index === 20) store.held.clear(index);
      return read(index, into);
    };
    peer.torrents.add(rotting.torrent, store);
  });
  afterEach(() => peer.torrents.remove(rotting.torrent.infoHash));

  it("ends the answer with its connection", async () => {
    const answer = await fetch(`${peer.server.url}${contentPath(rotting.torrent.infoHash, ["rots.bin"])}`);
    expect(answer.headers.get("content-length")).toBe(String(40 * PIECE));
    await expect(answer.bytes()).rejects.toThrow();
  });

  it("resets the stream over HTTP/2", async () => {
    const session = connectHttp2(peer.server.url);
    const path = contentPath(rotting.torrent.infoHash, ["rots.bin"]);
    await expect(askHttp2(session, path, {})).rejects.toThrow("NGHTTP2_INTERNAL_ERROR");
    session.close();
  });
});

it("readers that leave give back what was read for them", async () => {
  const made = await makeTorrent({ length: 64 * PIECE, pieceLength: PIECE, fileName: "left.bin", seed: 4 });
  peer.torrents.add(
    made.torrent,
    storeOf(made, () => true),
  );
  for (let n = 0; n < 20; n++) {
    const leave = new AbortController();
    const path = contentPath(made.torrent.infoHash, ["left.bin"]);
    const answer = await fetch(`${peer.server.url}${path}`, { signal: leave.signal });
    await answer.body!.getReader().read();
    leave.abort();
  }
  await expect.poll(async () => gauge("pieza_piece_bytes_in_flight")).toBe(0);
  expect(await gauge("pieza_content_bytes_sent_total")).toBeGreaterThan(0);
});

async function gauge(name: string): Promise<number> {
  const [, value] = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)`, "m").exec(await peer.metrics.text()) ?? [];
  return Number(value);
}

async function askHttp2(session: ClientHttp2Session, path: string, headers: Record<string, string>) {
  const stream = session.request({ ":path": path, ...headers });
  const [answer] = await once(stream, "response");
  return { status: answer[":status"], headers: answer, body: await buffer(stream) };
}

/** The status of a request whose path is sent as it is, which fetch would tidy up. */
async function statusOfRaw(path: string): Promise<number> {
  const { hostname, port, host } = new URL(peer.server.url);
  const socket = connect(Number(port), hostname);
  socket.write(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
  return Number((await text(socket)).split(" ")[1]);
}
