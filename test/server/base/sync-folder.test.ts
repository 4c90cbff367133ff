import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { syncFolder } from "../../../server/base/sync-folder.ts";

it("flushes a folder, and leaves one alone whose file system cannot", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pieza-sync-"));
  await syncFolder(folder);
  await rm(folder, { recursive: true });
  // Linux answers EINVAL here, as some network file systems do everywhere.
  await syncFolder("/proc/self");
});

it("fails for a folder that is not there", async () => {
  await expect(syncFolder("/proc/nothing")).rejects.toMatchObject({ code: "ENOENT" });
});
