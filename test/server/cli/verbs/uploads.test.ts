import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { remoteCatalog, remoteUploadPeer } from "#core/rpc/rpc.ts";
import { root } from "../../../../scripts/run-command.ts";
import { nodeClock } from "../../../../server/base/node-clock.ts";
import { nodeHasher } from "../../../../server/base/node-hasher.ts";
import { openTransport } from "../../../../server/http/client/transports.ts";
import { freePort } from "../../../support/free-port.ts";
import { pieza } from "../../../support/processes/pieza.ts";
import { PiezaProcess } from "../../../support/processes/pieza-process.ts";
import { makeTorrent } from "../../../support/swarms/made-torrent.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const never = new AbortController().signal;

let folder: string;
let ports: { tracker: number; catalog: number; peer: number };
let catalogUrl: string;
let peerUrl: string;
let lines: string[][];
const running: PiezaProcess[] = [];

/** The README's commands for servers of one's own, without `npm run`, on other ports. */
async function commandsOfTheReadme(): Promise<string[][]> {
  const readme = await readFile(join(root, "README.md"), "utf8");
  const [block] = /```sh\n([^`]*--upload-peer[^`]*)```/.exec(readme)!.slice(1);
  return block!
    .trim()
    .replaceAll(":50051", `:${ports.peer}`)
    .split("\n")
    .map((line) => line.replace(/^npm run -s pieza -- /, "").split(/\s+/));
}

async function start(args: readonly string[]): Promise<PiezaProcess> {
  const process = new PiezaProcess([...args, "--json", "--data", join(folder, "data")], { cwd: folder });
  running.push(process);
  await process.url();
  return process;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pieza-uploads-"));
  ports = { tracker: await freePort(), catalog: await freePort(), peer: await freePort() };
  catalogUrl = `http://127.0.0.1:${ports.catalog}`;
  peerUrl = `http://127.0.0.1:${ports.peer}`;
  lines = await commandsOfTheReadme();
  const [tracker, catalog, peer] = lines;
  await start([...tracker!, "--port", String(ports.tracker)]);
  const named = ["--tracker", `http://127.0.0.1:${ports.tracker}`];
  await start([...catalog!, "--port", String(ports.catalog), ...named]);
  await start([...peer!, "--port", String(ports.peer), "--catalog", catalogUrl]);
});
afterAll(async () => {
  await Promise.all(running.map((process) => process.stop()));
  await rm(folder, { recursive: true, force: true });
});

const doctor = () => pieza(["doctor", catalogUrl, "--data", join(folder, "data")], { cwd: folder });

async function mayUpload(origin: string): Promise<boolean> {
  const headers = { origin, "access-control-request-method": "POST" };
  const call = `${peerUrl}/pieza.v1.PeerService/StorePiece`;
  const answer = await fetch(call, { method: "OPTIONS", headers });
  return answer.headers.get("access-control-allow-origin") === origin;
}

describe("uploads from the page of the README's servers", () => {
  it("need no other flag: the page sends the catalog's token, and may call the peer", async () => {
    expect(lines.map(([verb]) => verb)).toEqual(["tracker", "catalog", "peer"]);
    const token = (await readFile(join(folder, "data", `catalog-${ports.catalog}`, "token"), "utf8")).trim();
    const { torrent, bytes, at } = await makeTorrent({ length: 100_000 });
    const [toCatalog, toPeer] = [openTransport(catalogUrl, "connect"), openTransport(peerUrl, "connect")];
    const catalog = remoteCatalog({
      url: catalogUrl,
      transport: toCatalog.transport,
      hasher: nodeHasher,
      token,
    });
    await catalog.publish(torrent, {}, never);
    const swarm = { infoHash: torrent.infoHash, totalPieces: torrent.pieces.length };
    const way = { url: peerUrl, transport: toPeer.transport, swarm, clock: nodeClock };
    await remoteUploadPeer({ ...way, token }).storePiece(at(0), bytes(0), never);
    await expect(
      remoteUploadPeer({ ...way, token: "another" }).storePiece(at(1), bytes(1), never),
    ).rejects.toMatchObject({
      code: "permission_denied",
    });
    for (const { close } of [toCatalog, toPeer]) close();
  });

  it("are for that page only", async () => {
    expect(await mayUpload(catalogUrl)).toBe(true);
    expect(await mayUpload(catalogUrl.replace("127.0.0.1", "localhost"))).toBe(true);
    for (const origin of [
      "https://evil.example",
      `http://127.0.0.1:${ports.peer + 1}`,
      `https://127.0.0.1:${ports.catalog}`,
    ])
      expect(await mayUpload(origin), origin).toBe(false);
  });

  it("are well, says doctor", async () => {
    const { code, stdout } = await doctor();
    expect(stdout).toContain(`ok       uploads  ${peerUrl}: the page at ${catalogUrl} may upload to it`);
    expect(code, stdout).toBe(0);
  });
});

describe("doctor says why uploads from the page fail", () => {
  async function findingsOn(uploadPeers: readonly string[], ...more: string[]): Promise<string> {
    const flags = uploadPeers.flatMap((url) => ["--upload-peer", url]);
    const other = await start(["catalog", "--port", "0", ...flags, ...more]);
    const { stdout } = await pieza(["doctor", await other.url(), "--data", join(folder, "data")], {
      cwd: folder,
    });
    await other.stop();
    return stdout;
  }

  it("no peer is named", async () => {
    expect(await findingsOn([])).toMatch(
      /warning {2}uploads .*names no peer that takes uploads.*\n.*--accept-uploads/,
    );
  });

  it("the page may not call the peer", async () => {
    expect(await findingsOn([peerUrl])).toMatch(
      /PROBLEM {2}uploads .*may not upload to it\n.*--allow-origin http/,
    );
  });

  it("the peer takes none, or is not there", async () => {
    const plain = await start(["peer", "--volunteer", "1MiB", "--port", "0", "--catalog", catalogUrl]);
    const found = await findingsOn([await plain.url(), "http://127.0.0.1:1"]);
    expect(found).toMatch(/PROBLEM {2}uploads .*it takes no uploads\n.*--accept-uploads/);
    expect(found).toMatch(/PROBLEM {2}peer {5}http:\/\/127\.0\.0\.1:1: nothing listens/);
  });
});

it("a peer says so if the page of its catalog does not know it", async () => {
  const port = await freePort();
  const args = ["peer", "--accept-uploads", "1MiB", "--port", String(port), "--catalog", catalogUrl];
  const process = new PiezaProcess([...args, "--data", join(folder, "data")], { cwd: folder });
  running.push(process);
  await expect
    .poll(() => process.text, { timeout: 20_000 })
    .toContain(`start that catalog with --upload-peer http://127.0.0.1:${port}`);
});
