import { type Renamed, renamedOf } from "../base/safe-names.ts";
import { NewTree, newFolder } from "./new-tree.ts";

interface Pickers {
  showSaveFilePicker?(options: { suggestedName: string }): Promise<FileSystemFileHandle>;
  showDirectoryPicker?(options: { mode: "readwrite" }): Promise<FileSystemDirectoryHandle>;
}

/** A download that was saved. */
export interface Saved {
  /**
   * Written by the page to its end, or handed to the downloads of the browser, which do not report back, or not saved
   * because the person cancelled.
   */
  readonly how: "written" | "handed over" | "declined";
  /** The files that have other paths than in the torrent, if there are some. */
  readonly renamed?: Renamed | undefined;
}

/**
 * Asks the person where to save. The browser allows it only directly in a click. Undefined if the person cancelled.
 */
export async function chooseTarget(
  suggestedName: string,
): Promise<FileSystemFileHandle | "downloads" | undefined> {
  const { showSaveFilePicker } = window as Pickers;
  if (!showSaveFilePicker) return "downloads";
  try {
    return await showSaveFilePicker.call(window, { suggestedName });
  } catch (error) {
    if (isAbort(error)) return undefined;
    // A policy denies the picker, or the system has none: use the downloads of the browser.
    return "downloads";
  }
}

/**
 * Saves to the chosen place as a stream, so that no file is held in memory. `onProgress` gets the bytes copied so
 * far. If the copy fails, it rejects and the browser drops the unfinished file.
 */
export async function saveTo(
  target: FileSystemFileHandle | "downloads",
  { blob, name }: { blob: Blob; name: string },
  onProgress: (bytes: number) => void,
): Promise<Saved["how"]> {
  if (target === "downloads") {
    handOver(blob, name);
    return "handed over";
  }
  let copied = 0;
  await copy(blob, target, (bytes) => {
    copied += bytes;
    onProgress(copied);
  });
  return "written";
}

/** Whether this browser lets a page write into a folder of the person's. */
export function canSaveFolders(): boolean {
  return (window as Pickers).showDirectoryPicker !== undefined;
}

/**
 * Asks the person for a folder. The browser allows it only directly in a click. Undefined if the person cancelled.
 */
export async function chooseFolder(): Promise<FileSystemDirectoryHandle | undefined> {
  try {
    return await (window as Pickers).showDirectoryPicker?.call(window, { mode: "readwrite" });
  } catch (error) {
    if (isAbort(error)) return undefined;
    throw error;
  }
}

/** Whether names that Windows cannot write are to be changed. */
export function isOnWindows(): boolean {
  return navigator.userAgent.includes("Windows");
}

/**
 * Writes the files, one after the other, into a new folder of `parent` called `name`, or `name (2)` if there is one
 * already. Files whose name the browser refuses get another one, which the result tells. `onProgress` gets the bytes
 * copied so far. If it fails, the new folder is deleted.
 */
export async function saveFolder(
  parent: FileSystemDirectoryHandle,
  name: string,
  files: readonly { readonly path: string; readonly blob: Blob }[],
  onProgress: (bytes: number) => void,
): Promise<Renamed | undefined> {
  const folder = await newFolder(parent, name);
  const tree = new NewTree(folder);
  const written: (readonly [from: string, to: string])[] = [];
  let copied = 0;
  try {
    for (const { path, blob } of files) {
      const { handle, path: to } = await tree.file(path);
      written.push([path, to]);
      await copy(blob, handle, (bytes) => {
        copied += bytes;
        onProgress(copied);
      });
    }
    return renamedOf(written);
  } catch (error) {
    await parent.removeEntry(folder.name, { recursive: true }).catch(() => undefined);
    throw error;
  }
}

/** Copies as a stream, so that no file is held in memory. `onChunk` gets the bytes of each step. */
async function copy(
  blob: Blob,
  target: FileSystemFileHandle,
  onChunk: (bytes: number) => void,
): Promise<void> {
  const counting = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform(chunk, controller) {
      onChunk(chunk.length);
      controller.enqueue(chunk);
    },
  });
  await blob
    .stream()
    .pipeThrough(counting)
    .pipeTo(await target.createWritable());
}

/** Whether the person cancelled the picker. */
function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

/**
 * Starts a download of the browser. The URL is never revoked, because the browser may read from it for as long as it
 * saves.
 */
function handOver(blob: Blob, name: string): void {
  const link = document.createElement("a");
  // application/octet-stream keeps the extension of the name, and no browser shows it as a page.
  link.href = URL.createObjectURL(blob.slice(0, blob.size, "application/octet-stream"));
  link.download = name;
  link.click();
}
