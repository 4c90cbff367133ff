import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { torrentText } from "#core/torrent/torrent-json.ts";
import { type RunningCatalog, startCatalog } from "../../../../server/catalog/catalog.ts";
import { pieza, type Ran } from "../../../support/processes/pieza.ts";
import { makeTorrent } from "../../../support/swarms/made-torrent.ts";
import { TestAuthority } from "../../../support/wire/certificates.ts";
import { startForwardProxy } from "../../../support/wire/forward-proxy.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

type Answer = (request: http.IncomingMessage, response: http.ServerResponse) => void;

const closers: (() => unknown)[] = [];
let folder: string;
let text: string;
let infoHash: string;
let authority: TestAuthority;
/** A catalog that speaks TLS only, and a server that redirects all requests to it, as in front of many servers. */
let catalog: RunningCatalog;
let front: string;

async function serve(answer: Answer): Promise<string> {
  const server = http.createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const redirectTo =
  (location: string, status = 302): Answer =>
  (_, response) =>
    void response.writeHead(status, { location }).end();

/** Answers /N with a redirect to /N-1, and /0 with the torrent. */
const countDown: Answer = (request, response) => {
  const left = Number(request.url!.slice(1));
  if (left > 0) response.writeHead([301, 302, 303, 307, 308][left % 5]!, { location: `/${left - 1}` }).end();
  else response.end(text);
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pieza-redirects-"));
  const { torrent } = await makeTorrent({ length: 100_000 });
  infoHash = torrent.infoHash;
  text = torrentText(torrent);
  await writeFile(join(folder, "file.json"), text);
  authority = await TestAuthority.make();
  const tls = await authority.issue({ names: "IP:127.0.0.1,DNS:localhost" });
  const options = { directory: join(folder, "catalog"), trackers: [], token: "of-tests" };
  catalog = await startCatalog({ port: 0, ...options, ...tls });
  closers.push(() => catalog.close());
  front = await serve((request, response) =>
    response.writeHead(308, { location: `${catalog.url}${request.url}` }).end(),
  );
});
afterAll(async () => {
  for (const close of closers) await close();
  await authority.remove();
  await rm(folder, { recursive: true, force: true });
});

function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> {
  const all = { PIEZA_DATA: join(folder, "data"), PIEZA_CA: authority.ca, ...env };
  return pieza(args, { cwd: folder, env: all });
}

describe("a torrent's URL that redirects", () => {
  it("is followed five times, and no more", async () => {
    const server = await serve(countDown);
    const five = await run(["info", `${server}/5`]);
    expect(five.code, five.stderr).toBe(0);
    expect(five.stdout).toContain(infoHash);
    const six = await run(["info", `${server}/6`]);
    expect(six.code).toBe(7);
    expect(six.stderr).toContain(`${server}/6 redirects more than 5 times`);
  });

  it("is followed to https", async () => {
    await run(["publish", "file.json", "--catalog", catalog.url], { PIEZA_TOKEN: "of-tests" });
    const ran = await run(["info", `${front}/files/file.json`]);
    expect(ran.code, ran.stderr).toBe(0);
    expect(ran.stdout).toContain(infoHash);
  });

  it.each([
    ["file:///etc/passwd", "which is no http or https URL"],
    ["ftp://127.0.0.1/a", "which is no http or https URL"],
    ["http://[", "which is no http or https URL"],
    ["http://0.0.0.0:1/a", "0.0.0.0 is a link-local or reserved address"],
    ["http://169.254.169.254/latest", "169.254.169.254 is a link-local or reserved address"],
  ])("is not followed to %s", async (location, problem) => {
    const ran = await run(["info", await serve(redirectTo(location))]);
    expect(ran.code).toBe(7);
    expect(ran.stderr).toContain(`redirects to ${location}`);
    expect(ran.stderr).toContain(problem);
  });

  it("is not followed from https to http", async () => {
    const server = await startCatalogThatRedirects();
    const ran = await run(["info", `${server}/files/moved.json`]);
    expect(ran.code).toBe(7);
    expect(ran.stderr).toContain("redirects to http://127.0.0.1:1/, which is not encrypted");
  });

  it("is not followed from elsewhere to this machine", async () => {
    let asked = 0;
    const near = await serve((_, response) => {
      asked++;
      response.end(text);
    });
    const proxy = await startForwardProxy();
    closers.push(() => proxy.close());
    // Only the proxy knows the name, so the server may be anywhere.
    const elsewhere = (await serve(redirectTo(near))).replace("127.0.0.1", "page.test");
    const ran = await run(["info", elsewhere], { HTTP_PROXY: proxy.url });
    expect(ran.code).toBe(7);
    expect(ran.stderr).toContain("127.0.0.1 is an address of this machine");
    expect(asked).toBe(0);
  });
});

/** A server that speaks TLS and redirects every request to plain HTTP. */
async function startCatalogThatRedirects(): Promise<string> {
  const { tlsCert, tlsKey } = await authority.issue({ names: "IP:127.0.0.1" });
  const https = await import("node:https");
  const [cert, key] = await Promise.all([readFile(tlsCert), readFile(tlsKey)]);
  const server = https.createServer({ cert, key }, redirectTo("http://127.0.0.1:1/"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => server.close());
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("a catalog's URL that redirects to https", () => {
  it("lists, publishes, shows and removes torrents there", async () => {
    const at = ["--catalog", front];
    const published = await run(["publish", "file.json", "--name", "moved", ...at], {
      PIEZA_TOKEN: "of-tests",
    });
    expect(published.code, published.stderr).toBe(0);
    const listed = await run(["ls", ...at]);
    expect(listed.stdout).toContain("moved");
    const shown = await run(["info", "moved", ...at]);
    expect(shown.code, shown.stderr).toBe(0);
    expect(shown.stdout).toContain(infoHash);
    const removed = await run(["rm", "moved", ...at], { PIEZA_TOKEN: "of-tests" });
    expect(removed.code, removed.stderr).toBe(0);
  });

  it("is told no token that is for another host", async () => {
    const options = { directory: join(folder, "other"), trackers: [], token: "of-tests" };
    const other = await startCatalog({ port: 0, ...options });
    closers.push(() => other.close());
    const at = await serve(redirectTo(other.url.replace("127.0.0.1", "localhost")));
    const ran = await run(["publish", "file.json", "--catalog", at], { PIEZA_TOKEN: "of-tests" });
    expect(ran.code).toBe(8);
    expect(ran.stderr).toContain("this call needs the server's token");
  });
});

describe("a user and a password in a URL", () => {
  it("go to the server that they are for, and to no other", async () => {
    const seen: (string | undefined)[] = [];
    const other = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.end(text);
    });
    const first = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(302, { location: other }).end();
    });
    const ran = await run(["info", first.replace("http://", "http://me:p%40ss@")]);
    expect(ran.code, ran.stderr).toBe(0);
    expect(seen).toEqual([`Basic ${Buffer.from("me:p@ss").toString("base64")}`, undefined]);
  });

  it.each([[["-v"]], [["--json"]]])("are in no error (%s)", async (flags) => {
    const missing = await serve((_, response) => void response.writeHead(404).end());
    const page = await serve((_, response) => response.end("<html>"));
    const urls = [
      `${missing}/a.json`,
      `${page}/a.json`,
      "http://127.0.0.1:1/a.json",
      await serve(redirectTo("file:///a")),
    ];
    for (const url of urls) {
      const named = url.replace("http://", "http://me:s3cret@");
      for (const args of [
        ["info", named],
        ["ls", "--catalog", named],
        ["get", "file.json", "--tracker", named, "--give-up-after", "1s"],
      ]) {
        const ran = await run([...args, ...flags]);
        expect(ran.code, args.join(" ")).not.toBe(0);
        const printed = ran.stdout + ran.stderr;
        expect(printed.length).toBeGreaterThan(10);
        expect(printed, args.join(" ")).not.toContain("s3cret");
      }
    }
  });
});
