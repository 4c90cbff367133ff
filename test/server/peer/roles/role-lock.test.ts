import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { AnnounceRole } from "../../../../server/peer/roles/announce-role.ts";
import { ReplicateRole } from "../../../../server/peer/roles/replicate-role.ts";

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "pieza-roles-"));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

const volunteer = { catalogs: [], capacityBytes: 1 << 20 };

test.each([
  ["announce", (port: number) => AnnounceRole.start({ dataDir, port, trackers: [] })],
  ["replicate", (port: number) => ReplicateRole.start({ dataDir, port, volunteer })],
])("one process at a time is the part %s of a peer, and of another peer another one", async (part, start) => {
  const first = await start(1);
  await expect(start(1)).rejects.toMatchObject({
    code: "failed_precondition",
    message: expect.stringContaining(
      `the part "${part}" of this peer is in use by the process ${process.pid}`,
    ),
  });
  const other = await start(2);
  await first.close();
  const again = await start(1);
  await again.close();
  await other.close();
});
