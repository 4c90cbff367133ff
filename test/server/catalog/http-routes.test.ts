import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { torrentJson, torrentText } from "#core/torrent/torrent-json.ts";
import { contentSecurityPolicy } from "../../../server/catalog/page-headers.ts";
import type { LogEvent } from "../../../server/http/base/log.ts";
import { legacyTorrent } from "./legacy-torrent.ts";
import { runningCatalog } from "./running-catalog.ts";

const browser = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };
const index = "<!doctype html><title>Pieza</title>";
const script = "export const x = 1;\n".repeat(200);

/** A built page, as far as a server sees it. */
async function builtPage(): Promise<string> {
  const outside = await mkdtemp(join(tmpdir(), "pieza-page-"));
  onTestFinished(() => rm(outside, { recursive: true }));
  const directory = join(outside, "page");
  await mkdir(join(directory, "assets"), { recursive: true });
  await writeFile(join(directory, "index.html"), index);
  await writeFile(join(directory, "icon.svg"), "<svg/>");
  await writeFile(join(directory, "assets/index-B1x2.js"), script);
  await writeFile(join(directory, "notes.txt.bak"), "not for others");
  await writeFile(join(outside, "secret.html"), "secret");
  return directory;
}

async function withTorrent(name: string, fileName = "file") {
  const catalog = await runningCatalog();
  const torrent = await legacyTorrent(fileName);
  await writeFile(join(catalog.directory, `${name}.json`), torrentText(torrent));
  return { catalog, torrent };
}

describe("GET /files/<name>.json", () => {
  it.each([
    "shakira",
    "with spaces",
    "quotes \" and '",
    "100%",
    "%2e%2e",
    "#hash?query&x=1",
    "<img src=x onerror=alert(1)>",
    "日本語",
    "سلام",
    "cafe\u0301",
    "🎵",
    "data.json",
    "__proto__",
  ])("gives the torrent of the name %j in the exact form of the file", async (name) => {
    const { catalog, torrent } = await withTorrent(name);
    const answer = await fetch(`${catalog.url}/files/${encodeURIComponent(name)}.json`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("application/json; charset=utf-8");
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
    expect(await answer.json()).toEqual(torrentJson(torrent));
  });

  it.each([
    ["nobody.json", 404],
    ["shakira", 404],
    ["", 404],
    [".json", 400],
    ["%ff.json", 404],
    ["%.json", 404],
    ["..%2fshakira.json", 400],
    ["%2e%2e%2f%2e%2e%2fetc%2fpasswd.json", 400],
    ["..%5cshakira.json", 400],
    ["%00.json", 400],
    ["a/shakira.json", 400],
  ])("answers %j with %i and words", async (path, status) => {
    const { catalog } = await withTorrent("shakira");
    const answer = await fetch(`${catalog.url}/files/${path}`);
    expect(answer.status).toBe(status);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    const code = status === 404 ? "not_found" : "invalid_argument";
    expect(await answer.json()).toEqual({ code, message: expect.any(String) });
  });

  it("answers HEAD with the same headers and no body, over either HTTP", async () => {
    const { catalog, torrent } = await withTorrent("shakira");
    const length = Buffer.byteLength(torrentText(torrent));
    const answer = await fetch(`${catalog.url}/files/shakira.json`, { method: "HEAD" });
    expect(answer.headers.get("content-length")).toBe(`${length}`);
    expect(await answer.text()).toBe("");

    const session = connect(catalog.url);
    const stream = session.request({ ":method": "HEAD", ":path": "/files/shakira.json" });
    const headers = await new Promise<Record<string, unknown>>((resolve) => stream.once("response", resolve));
    expect(headers).toMatchObject({ ":status": 200, "content-length": `${length}` });
    stream.on("data", () => expect.unreachable("a body"));
    await once(stream, "end");
    session.close();
  });

  it("answers other methods with 405", async () => {
    const { catalog } = await withTorrent("shakira");
    const answer = await fetch(`${catalog.url}/files/shakira.json`, { method: "DELETE" });
    expect(answer.status).toBe(405);
    expect(answer.headers.get("allow")).toBe("GET, HEAD");
    expect((await fetch(`${catalog.url}/files/shakira.json`)).status).toBe(200);
  });

  it("gives everybody's pages the torrent, without credentials", async () => {
    const { catalog } = await withTorrent("shakira");
    const headers = { origin: "http://elsewhere.example" };
    const answer = await fetch(`${catalog.url}/files/shakira.json`, { headers });
    expect(answer.headers.get("access-control-allow-origin")).toBe("*");
    expect(answer.headers.get("access-control-allow-credentials")).toBeNull();
  });
});

describe("GET /files/<name>.meta4", () => {
  const geometry = { length: 1, piece_length: 16_384 };

  it("gives a Metalink with the gateways that the catalog knows by then", async () => {
    const gateways = ["http://one.example:8090"];
    const catalog = await runningCatalog({ gateways });
    const torrent = await legacyTorrent("a b.bin", "a", geometry);
    await writeFile(join(catalog.directory, "100%.json"), torrentText(torrent));
    const url = `${catalog.url}/files/100%25.meta4`;
    const answer = await fetch(url);
    expect(answer.headers.get("content-type")).toBe("application/metalink4+xml");
    const path = `/content/${torrent.infoHash}/a%20b.bin</url>`;
    expect((await answer.text()).split("\n")).toContain(`<url>${gateways[0]}${path}`);
    gateways.push("http://two.example:8090");
    expect(await (await fetch(url)).text()).toContain(`<url>${gateways[1]}${path}`);
    expect(await (await fetch(catalog.url)).json()).toMatchObject({ gateways });
  });

  it.each([
    ["the catalog names no gateway", [], geometry, "--gateway URL"],
    ["the torrent is of the legacy form", ["http://one.example"], {}, "its length"],
  ])("answers with 404 and words where %s", async (_, gateways, said, words) => {
    const catalog = await runningCatalog({ gateways });
    const torrent = await legacyTorrent("file", "a", said);
    await writeFile(join(catalog.directory, "file.json"), torrentText(torrent));
    const answer = await fetch(`${catalog.url}/files/file.meta4`);
    expect(answer.status).toBe(404);
    expect(await answer.json()).toEqual({ code: "not_found", message: expect.stringContaining(words) });
  });
});

describe("GET /", () => {
  it("tells curl the endpoints, the trackers and the version", async () => {
    const trackers = ["http://127.0.0.1:50050"];
    const catalog = await runningCatalog({ trackers, pageDirectory: await builtPage() });
    const answer = await fetch(`${catalog.url}/`);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(await answer.json()).toMatchObject({
      service: "pieza catalog",
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      torrents: 0,
      trackers,
      endpoints: { torrent: "/files/<name>.json", health: "/healthz" },
    });
  });

  it("gives browsers the page, under the strict policy", async () => {
    const catalog = await runningCatalog({ pageDirectory: await builtPage() });
    const answer = await fetch(`${catalog.url}/`, { headers: browser });
    expect(await answer.text()).toBe(index);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-store",
      "content-security-policy": contentSecurityPolicy,
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "cross-origin-opener-policy": "same-origin",
      vary: "Accept, Accept-Encoding",
    });
  });

  it("gives browsers JSON where there is no page, and the log says so", async () => {
    const events: string[] = [];
    const log = ({ event }: LogEvent) => void events.push(event);
    const catalog = await runningCatalog({ pageDirectory: join(tmpdir(), "no-such-page"), log });
    expect(events).toEqual(["no_page"]);
    const answer = await fetch(`${catalog.url}/`, { headers: browser });
    expect(await answer.json()).toMatchObject({ service: "pieza catalog" });
  });
});

describe("the page's files", () => {
  it("may be kept for ever where their name tells their content, compressed for who asks", async () => {
    const catalog = await runningCatalog({ pageDirectory: await builtPage() });
    const plain = await fetch(`${catalog.url}/assets/index-B1x2.js`, {
      headers: { "accept-encoding": "identity" },
    });
    expect(await plain.text()).toBe(script);
    expect(plain.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect(plain.headers.get("content-type")).toBe("text/javascript; charset=utf-8");
    expect(plain.headers.get("content-encoding")).toBeNull();
    const zipped = await fetch(`${catalog.url}/assets/index-B1x2.js`, {
      headers: { "accept-encoding": "gzip" },
    });
    expect(zipped.headers.get("content-encoding")).toBe("gzip");
    expect(await zipped.text()).toBe(script);
    const icon = await fetch(`${catalog.url}/icon.svg`);
    expect(icon.headers.get("cache-control")).toBe("no-store");
  });

  it.each([
    "/secret.html",
    "/../secret.html",
    "/%2e%2e/secret.html",
    "/assets/..%2f..%2fsecret.html",
    "/notes.txt.bak",
    "/assets",
    "/assets/",
    "/__proto__",
  ])("are all that there is: %s is 404", async (path) => {
    const catalog = await runningCatalog({ pageDirectory: await builtPage() });
    expect((await fetch(catalog.url + path)).status).toBe(404);
  });

  it("are still there when the build has replaced them", async () => {
    const page = await builtPage();
    const catalog = await runningCatalog({ pageDirectory: page });
    await rm(join(page, "index.html"));
    const answer = await fetch(`${catalog.url}/`, { headers: browser });
    expect(await answer.text()).toBe(index);
  });
});

describe("the policy", () => {
  it("allows this server only, and what the page really needs", () => {
    const rules = new Map(
      contentSecurityPolicy.split("; ").map((rule) => {
        const [name, ...sources] = rule.split(" ");
        return [name, sources.join(" ")];
      }),
    );
    expect(rules.get("default-src")).toBe("'none'");
    expect(rules.get("script-src")).toBe("'self' 'wasm-unsafe-eval'");
    expect(rules.get("style-src")).toBe("'self'");
    expect(rules.get("frame-ancestors")).toBe("'none'");
    expect(rules.get("require-trusted-types-for")).toBe("'script'");
    expect(contentSecurityPolicy).not.toMatch(/unsafe-inline|'unsafe-eval'|strict-dynamic|\*/);
  });
});
