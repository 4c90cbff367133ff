import { randomBytes } from "node:crypto";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Replaces the file at `path` as a whole: writes the text under a random name beside it and renames that file, so a
 * reader finds the complete old or the complete new text. After a power cut the file may be empty, as nothing is
 * flushed. Makes missing folders for this user only (mode 0700). `mode`: of the file, before the umask. Fails with the
 * system's errors; the old file then stays as it was.
 */
export async function replaceFile(path: string, text: string | Uint8Array, mode = 0o666): Promise<void> {
  const draft = `${path}.${randomBytes(6).toString("hex")}.new`;
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  try {
    await writeFile(draft, text, { mode, flag: "wx" });
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {});
    throw error;
  }
}
