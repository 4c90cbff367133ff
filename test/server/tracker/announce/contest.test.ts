import { createClient } from "@connectrpc/connect";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { AnnounceEvent, TrackerService } from "#gen/pieza/v1/tracker_pb.ts";
import { PeerService as LegacyPeerService, TrackerService as LegacyTrackerService } from "#gen/tracker_pb.ts";
import { openTransport } from "../../../../server/http/client/transports.ts";
import { served } from "../../../../server/http/handling/served-service.ts";
import { startServer } from "../../../../server/http/listening/server.ts";
import { startServing } from "../../../../server/peer/serving/serving.ts";
import { type RunningTracker, startTracker } from "../../../../server/tracker/tracker.ts";
import { freePort } from "../../../support/free-port.ts";
import { RedisServer } from "../../../support/processes/redis-server.ts";
import { neverBusy } from "../../../support/swarms/never-busy.ts";
import { infoHash } from "../../../support/swarms/router-tracker.ts";

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis.kill());

/** Real trackers and peers on the loopback: each dial is one over a socket. */
describe.each(["memory", "redis"])(
  "two peers that claim one address of a tracker with its state in %s",
  (kind) => {
    const ends: (() => unknown)[] = [];
    let tracker: RunningTracker;
    let url: string;
    let port: number;

    beforeEach(async () => {
      const client = redis.client();
      await client.flushall();
      client.disconnect();
      const store = kind === "redis" ? redis.url : undefined;
      tracker = await startTracker({ ...neverBusy, port: 0, store });
      ends.push(() => tracker.close());
      port = await freePort();
      url = `http://127.0.0.1:${port}`;
    });
    afterEach(async () => {
      for (const end of ends.splice(0).reverse()) await end();
    });

    const transport = () => {
      const { transport, close } = openTransport(tracker.url, "grpc");
      ends.push(close);
      return transport;
    };
    const announce = (key: number, more: object = {}) =>
      createClient(TrackerService, transport()).announce({
        event: AnnounceEvent.STARTED,
        publicUrl: url,
        identifyKey: new Uint8Array(32).fill(key),
        torrents: [
          { infoHash: infoHash("a"), fileName: "a.bin", totalPieces: 1, revision: 1n, complete: true },
        ],
        ...more,
      });
    const registration = () => ({
      peerAddress: `localhost:${port}`,
      fileInfo: [{ fileName: "a.bin", pieces: [{ number: 1, hash: "any" }] }],
    });
    const register = () => createClient(LegacyTrackerService, transport()).registerPeer(registration());
    const isLive = ({ leaseId, leaseSecret }: { leaseId: string; leaseSecret: string }) =>
      createClient(TrackerService, transport())
        .announce({ leaseId, leaseSecret })
        .then(
          () => true,
          (error) => {
            expect(String(error)).toContain("[not_found]");
            return false;
          },
        );
    const peerWithKey = async (key: number) => {
      const { server } = await startServing({ port, identifyKeys: [new Uint8Array(32).fill(key)] });
      ends.push(() => server.close({ graceMs: 0 }));
      return server;
    };
    const legacyPeer = async () => {
      const server = await startServer({
        port,
        services: [served(LegacyPeerService, { hasPiece: () => ({ hasPiece: true }) })],
      });
      ends.push(() => server.close({ graceMs: 0 }));
    };
    const legacyPeers = async () => {
      const client = createClient(TrackerService, transport());
      const { seedPeers } = await client.locatePieces({ fileName: "a.bin" }).catch(() => ({ seedPeers: [] }));
      return seedPeers.map((peer) => peer.url);
    };
    const isNamed = () => expect.poll(legacyPeers, { timeout: 30_000 }).toEqual([url]);

    it("a stranger's claim of an unused port yields to the legacy peer that registers there", async () => {
      const squatter = await announce(1);
      expect(squatter).toMatchObject({ listed: false, url });
      expect(await register()).toMatchObject({ success: true });
      expect(await isLive(squatter)).toBe(false);
      // Neither before the legacy peer has answered nor afterwards.
      await expect(announce(1)).rejects.toThrow("[already_exists]");
      await legacyPeer();
      await isNamed();
      await expect(announce(1)).rejects.toThrow("[already_exists]");
      await isNamed();
    });

    it("a stranger's claim yields to a peer with a key that answers there, and is refused from then on", async () => {
      const squatter = await announce(1);
      await peerWithKey(2);
      const owner = await announce(2);
      expect(owner).toMatchObject({ listed: true, url });
      expect(await isLive(squatter)).toBe(false);
      await expect(announce(1)).rejects.toThrow("[already_exists]");
      expect(await isLive(owner)).toBe(true);
    });

    it("of two that nobody can reach, the later has the address", async () => {
      const first = await announce(1);
      const second = await announce(2);
      expect(second).toMatchObject({ listed: false, url });
      expect([await isLive(first), await isLive(second)]).toEqual([false, true]);
    });

    it("a registration of the legacy contract does not take it from a peer that answers there", async () => {
      await peerWithKey(2);
      const owner = await announce(2);
      await expect(register()).rejects.toThrow("[already_exists]");
      expect(await isLive(owner)).toBe(true);
    });

    it("a registration of the legacy contract takes it from a peer that was killed and has a lease still", async () => {
      const server = await peerWithKey(2);
      const killed = await announce(2);
      expect(killed.listed).toBe(true);
      await server.close({ graceMs: 0 });
      await legacyPeer();
      expect(await register()).toMatchObject({ success: true });
      await isNamed();
    });

    it("a peer with a key that answers there takes it from a legacy registration", async () => {
      await register();
      await peerWithKey(2);
      expect(await announce(2)).toMatchObject({ listed: true, url });
      const { peers, seedPeers } = await createClient(TrackerService, transport()).locatePieces({
        infoHash: infoHash("a"),
        fileName: "a.bin",
      });
      expect([peers.map((peer) => peer.url), seedPeers]).toEqual([[url], []]);
    });
  },
);
