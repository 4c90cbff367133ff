import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { root } from "../../scripts/run-command.ts";
import { LocalSwarm, readTorrentJson, sha256sum, writeRandomFile } from "../support/swarms/local-swarm.ts";
import { GrpcJsClient } from "../support/wire/grpc-js.ts";

const run = promisify(execFile);
const KiB = 1 << 10;

describe.each(["127.0.0.1", "::1"])("of servers at %s", (host) => {
  let swarm: LocalSwarm;
  let torrent: Awaited<ReturnType<typeof readTorrentJson>>;
  let peerUrls: string[];

  beforeAll(async () => {
    swarm = await LocalSwarm.start({ PIEZA_HOST: host });
    await writeRandomFile(swarm.path("film.bin"), 3_000 * KiB + 1);
    torrent = await readTorrentJson(await swarm.publish("film.bin", "--piece-length", "256KiB"));
    const peers = [await swarm.peer("a", "film.bin", "1-8"), await swarm.peer("b", "film.bin", "5-12")];
    peerUrls = await Promise.all(peers.map((peer) => peer.url()));
  });
  afterAll(() => swarm.stop());

  describe("@grpc/grpc-js with the protos read at run time", () => {
    const open: GrpcJsClient[] = [];
    const client = (file: string, service: string, url: string) => {
      open.push(new GrpcJsClient(`pieza/v1/${file}.proto`, service, url));
      return open.at(-1)!;
    };
    afterAll(() => {
      for (const each of open) each.close();
    });

    it("downloads every piece of a torrent from the peers that the tracker names", async () => {
      const catalog = client("catalog", "CatalogService", swarm.catalogUrl);
      const { torrent: found } = await catalog.call("GetTorrent", { name: "film.bin" });
      const tracker = client("tracker", "TrackerService", swarm.trackerUrl);
      const { peers } = await tracker.call("LocatePieces", { info_hash: found.info_hash });
      expect(peers.map((peer: { url: string }) => peer.url).sort()).toEqual([...peerUrls].sort());
      const clients = new Map(peerUrls.map((url) => [url, client("peer", "PeerService", url)]));

      for (const { number, hash } of found.pieces) {
        const holder = peers.find((peer: { bitfield: Buffer }) => hasPiece(peer.bitfield, number));
        const request = { info_hash: found.info_hash, number };
        const { data } = await clients.get(holder.url)!.call("GetPiece", request);
        expect(sha256(data), `piece ${number}`).toBe(hash);
      }
    });

    it("is told in gRPC's words that a peer does not hold a piece", async () => {
      const peer = client("peer", "PeerService", peerUrls[0]!);
      const call = peer.call("GetPiece", { info_hash: torrent.info_hash, number: 12 });
      await expect(call).rejects.toMatchObject({ code: 5 });
    });
  });

  describe("Python's grpcio", () => {
    it("downloads the file, taking the peers in their turns", async () => {
      const descriptors = swarm.path("pieza.binpb");
      await run("buf", ["build", "-o", descriptors], { cwd: root });
      const hosts = [swarm.catalogUrl, swarm.trackerUrl].map((url) => new URL(url).host);
      const args = [join(root, "test/e2e/grpc_client.py"), descriptors, ...hosts, "film.bin"];
      const { stdout } = await run("/usr/bin/python3", args);
      expect(stdout.trim()).toBe(await sha256sum(swarm.path("film.bin")));
    });
  });

  describe("h2load", () => {
    it("gets 400 pieces over four connections with ten streams each", async () => {
      const url = `${peerUrls[0]}/pieces/${torrent.info_hash}/1`;
      const { stdout } = await run("h2load", ["-n", "400", "-c", "4", "-m", "10", url]);
      expect(stdout).toContain("400 succeeded, 0 failed, 0 errored");
    });
  });

  describe("buf curl", () => {
    it.each(["grpc", "grpcweb", "connect"])("lists the catalog over %s, by reflection", async (protocol) => {
      const flags = ["--protocol", protocol, "--http2-prior-knowledge"];
      const url = `${swarm.catalogUrl}/pieza.v1.CatalogService/ListTorrents`;
      const { stdout } = await run("buf", ["curl", ...flags, "--data", "{}", url]);
      expect(JSON.parse(stdout).torrents[0].infoHash ?? JSON.parse(stdout).torrents[0].info_hash).toBe(
        torrent.info_hash,
      );
    });
  });

  describe("curl", () => {
    const post = ["-sS", "--fail-with-body", "-H", "content-type: application/json"];

    it.each(["--http1.1", "--http2-prior-knowledge"])("asks the tracker in JSON with %s", async (version) => {
      const body = JSON.stringify({ info_hash: torrent.info_hash });
      const url = `${swarm.trackerUrl}/pieza.v1.TrackerService/LocatePieces`;
      const { stdout } = await run("curl", [...post, version, "-d", body, url]);
      expect(JSON.parse(stdout).total_pieces).toBe(torrent.total_pieces);
      expect(JSON.parse(stdout).peers).toHaveLength(2);
    });

    it.each(["--http1.1", "--http2-prior-knowledge"])("reads the catalog by GET with %s", async (version) => {
      const message = encodeURIComponent(JSON.stringify({ info_hash: torrent.info_hash }));
      const url = `${swarm.catalogUrl}/pieza.v1.CatalogService/GetTorrent?encoding=json&message=${message}`;
      const { stdout } = await run("curl", ["-sS", "--fail-with-body", version, url]);
      expect(JSON.parse(stdout).torrent.file_name).toBe("film.bin");
    });

    it("gets the torrent file as it lies on the disk", async () => {
      const { stdout } = await run("curl", [
        "-sS",
        "--fail-with-body",
        `${swarm.catalogUrl}/files/film.bin.json`,
      ]);
      expect(JSON.parse(stdout)).toEqual(torrent);
    });

    it("gets a raw piece, and a part of one", async () => {
      const url = `${peerUrls[0]}/pieces/${torrent.info_hash}/1`;
      const options = { encoding: "buffer" as const, maxBuffer: 1 << 20 };
      const whole = await run("curl", ["-sS", "--fail-with-body", url], options);
      expect(sha256(whole.stdout)).toBe(torrent.pieces[0]!.hash);
      const part = await run("curl", ["-sS", "--fail-with-body", "-r", "100-199", url], options);
      expect(part.stdout).toEqual(whole.stdout.subarray(100, 200));
    });
  });
});

function hasPiece(bitfield: Buffer, number: number): boolean {
  return (bitfield[(number - 1) >> 3]! & (0x80 >> ((number - 1) & 7))) !== 0;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
