import { chmod, chown, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { AnnounceRole } from "../../../../server/peer/roles/announce-role.ts";
import { ReplicateRole } from "../../../../server/peer/roles/replicate-role.ts";
import { serveRole } from "../../../../server/peer/roles/serve-role.ts";

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "pieza-roles-"));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

/** Whoever has no other user can at least let all others write. */
const NOBODY = 65_534;

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

test.each([
  ["announce", (port: number) => AnnounceRole.start({ dataDir, port, trackers: [] })],
  ["replicate", (port: number) => ReplicateRole.start({ dataDir, port, volunteer })],
  ["serve", async (port: number) => void serveRole(dataDir, port)],
])("the part %s refuses a folder that another user made, or may write to", async (_, start) => {
  const refused = { code: "failed_precondition", message: expect.stringContaining("by another user") };
  for (const name of ["peer-1", "peer-1/roles"]) {
    await mkdir(join(dataDir, name), { recursive: true, mode: 0o700 });
    await chmod(join(dataDir, name), 0o777);
    await expect((async () => start(1))()).rejects.toMatchObject(refused);
    await chmod(join(dataDir, name), 0o700);
    if (process.getuid?.() !== 0) continue;
    await chown(join(dataDir, name), NOBODY, NOBODY);
    await expect((async () => start(1))()).rejects.toMatchObject(refused);
    await chown(join(dataDir, name), 0, 0);
  }
});
