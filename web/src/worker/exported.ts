import type { Torrent } from "#core/torrent.ts";
import { zipOf } from "../zip.ts";

/** What the person gets: the file itself, or a zip of the folder's files. */
export async function exported(torrent: Torrent, whole: Blob): Promise<{ blob: Blob; name: string }> {
  if (!torrent.files) return { blob: whole, name: torrent.fileName };
  let at = 0;
  const files = torrent.files.map(({ path, length }) => {
    const blob = whole.slice(at, at + length);
    at += length;
    return { path: `${torrent.fileName}/${path}`, blob };
  });
  return { blob: await zipOf(files), name: `${torrent.fileName}.zip` };
}
