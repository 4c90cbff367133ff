import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { afterEach, expect, it } from "vitest";
import { AnnounceEvent, TrackerService } from "#gen/pieza/v1/tracker_pb.ts";
import { openTransport } from "../../../../server/http/client/transports.ts";
import { infoHash } from "../../../support/swarms/router-tracker.ts";

const CALLS = 1_000;
/** Node's own HTTP/2 stream leaves 1.8 KB, because V8 keeps what a Writable's functions close over. Ours adds nothing. */
const LEFT_BYTES = { grpc: 2_300, connect: 150 };

let child: ChildProcess | undefined;
afterEach(async () => {
  if (!child) return;
  const gone = once(child, "exit");
  child.kill();
  await gone;
});

it.each(["grpc", "connect"] as const)(
  "a call over %s leaves next to nothing for the great collection",
  async (kind) => {
    const program = join(import.meta.dirname, "../../../support/wire/garbage-tracker.ts");
    const room = ["--min-semi-space-size=64", "--max-semi-space-size=64"];
    child = fork(program, { execArgv: ["--expose-gc", ...room] });
    const [url] = await once(child, "message");
    const { transport, close } = openTransport(url, kind);
    try {
      const tracker = createClient(TrackerService, transport);
      const swarm = { infoHash: infoHash("a"), totalPieces: 8 };
      const torrents = [{ ...swarm, fileName: "file", revision: 1n, complete: true }];
      await tracker.announce({ event: AnnounceEvent.STARTED, port: 1_000, torrents });
      const left = async () => {
        for (let n = 0; n < CALLS; n++) await tracker.locatePieces(swarm);
        child?.send("look");
        const [bytes] = await once(child!, "message");
        return bytes / CALLS;
      };
      // The first time there is what is made once: compiled functions, connections.
      await left();
      expect(await left()).toBeLessThan(LEFT_BYTES[kind]);
    } finally {
      close();
    }
  },
);
