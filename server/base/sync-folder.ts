import { open } from "node:fs/promises";

/**
 * Resolves when the names in the folder are on the disk. Fails with the system's error. Windows cannot flush a folder,
 * and some file systems (network ones, FUSE, /proc) answer EINVAL: there it does nothing.
 */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EINVAL") throw error;
  } finally {
    await folder.close();
  }
}
