interface Pickers {
  showSaveFilePicker?(options: { suggestedName: string }): Promise<FileSystemFileHandle>;
  showDirectoryPicker?(options: { mode: "readwrite" }): Promise<FileSystemDirectoryHandle>;
}

/** The search for a free folder name ends here. */
const MAX_NAMESAKES = 1_000;

/**
 * How a file was saved: written by the page to its end, or handed to the downloads of the browser, which do not
 * report back.
 */
export type Saved = "written" | "handed over" | "declined";

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
): Promise<Saved> {
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

/**
 * Writes the files, one after the other, into a new folder of `parent` called `name`, or `name (2)` if there is one
 * already. `onProgress` gets the bytes copied so far. If it fails, the new folder is deleted.
 */
export async function saveFolder(
  parent: FileSystemDirectoryHandle,
  name: string,
  files: readonly { readonly path: string; readonly blob: Blob }[],
  onProgress: (bytes: number) => void,
): Promise<void> {
  const folder = await newFolder(parent, name);
  let copied = 0;
  try {
    for (const { path, blob } of files) {
      const names = path.split("/");
      const fileName = names.pop()!;
      let inside = folder;
      for (const part of names) inside = await inside.getDirectoryHandle(part, { create: true });
      await copy(blob, await inside.getFileHandle(fileName, { create: true }), (bytes) => {
        copied += bytes;
        onProgress(copied);
      });
    }
  } catch (error) {
    await parent.removeEntry(folder.name, { recursive: true }).catch(() => undefined);
    throw error;
  }
}

/** Makes a new folder. An existing one is never used: its files are the person's. */
async function newFolder(
  parent: FileSystemDirectoryHandle,
  name: string,
): Promise<FileSystemDirectoryHandle> {
  for (let n = 1; n <= MAX_NAMESAKES; n++) {
    const numbered = n === 1 ? name : `${name} (${n})`;
    const isNew = await parent.getDirectoryHandle(numbered).then(
      () => false,
      (error: unknown) => error instanceof DOMException && error.name === "NotFoundError",
    );
    if (isNew) return parent.getDirectoryHandle(numbered, { create: true });
  }
  throw new Error(`there are ${MAX_NAMESAKES} folders of that name`);
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
