interface Pickers {
  showSaveFilePicker?(options: { suggestedName: string }): Promise<FileSystemFileHandle>;
  showDirectoryPicker?(options: { mode: "readwrite" }): Promise<FileSystemDirectoryHandle>;
}

/** More folders of one name than a person keeps side by side. */
const MAX_NAMESAKES = 1_000;

/** How a file was saved: by us, to its end, or handed to the browser's own downloads, which do not report back. */
export type Saved = "written" | "handed over" | "declined";

/** Where the person wants the file. Must be called directly by their click; undefined if they changed their mind. */
export async function chooseTarget(
  suggestedName: string,
): Promise<FileSystemFileHandle | "downloads" | undefined> {
  const { showSaveFilePicker } = window as Pickers;
  if (!showSaveFilePicker) return "downloads";
  try {
    return await showSaveFilePicker.call(window, { suggestedName });
  } catch (error) {
    if (isAbort(error)) return undefined;
    // Denied by policy, or no picker on this system: the ordinary way is left.
    return "downloads";
  }
}

/**
 * Saves to the chosen place, a stream copy from the storage: nothing is held in memory. `onProgress` gets the bytes
 * copied so far. A copy that fails leaves no file behind (the browser drops it) and rejects.
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

/** Whether this browser lets a page write a folder where the person wants it. */
export function canSaveFolders(): boolean {
  return (window as Pickers).showDirectoryPicker !== undefined;
}

/** The folder in which the person wants another. Must be called directly by their click; undefined: not after all. */
export async function chooseFolder(): Promise<FileSystemDirectoryHandle | undefined> {
  try {
    return await (window as Pickers).showDirectoryPicker?.call(window, { mode: "readwrite" });
  } catch (error) {
    if (isAbort(error)) return undefined;
    throw error;
  }
}

/**
 * Writes the files into a new folder `name` of `parent`, or `name (2)` where there is one already, one file after the
 * other. `onProgress` gets the bytes copied so far. If it fails, the new folder is taken away again.
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

/** Never one that exists: what is in it is the person's. */
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

/** A stream copy: nothing is held in memory. `onChunk` gets the bytes of each step. */
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

/** The person closed the picker. */
function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

/** A link that downloads. Its URL stays alive: the browser may read from it as long as it saves. */
function handOver(blob: Blob, name: string): void {
  const link = document.createElement("a");
  // A Blob without a type of its own keeps the name's extension and is never shown as a page.
  link.href = URL.createObjectURL(blob.slice(0, blob.size, "application/octet-stream"));
  link.download = name;
  link.click();
}
