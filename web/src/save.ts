interface SavePicker {
  showSaveFilePicker?(options: { suggestedName: string }): Promise<FileSystemFileHandle>;
}

/** How a file was saved: by us, to its end, or handed to the browser's own downloads, which do not report back. */
export type Saved = "written" | "handed over" | "declined";

/** Where the person wants the file. Must be called directly by their click; undefined if they changed their mind. */
export async function chooseTarget(
  suggestedName: string,
): Promise<FileSystemFileHandle | "downloads" | undefined> {
  const { showSaveFilePicker } = window as SavePicker;
  if (!showSaveFilePicker) return "downloads";
  try {
    return await showSaveFilePicker.call(window, { suggestedName });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return undefined;
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
  const counting = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform(chunk, controller) {
      copied += chunk.length;
      onProgress(copied);
      controller.enqueue(chunk);
    },
  });
  await blob
    .stream()
    .pipeThrough(counting)
    .pipeTo(await target.createWritable());
  return "written";
}

/** A link that downloads. Its URL stays alive: the browser may read from it as long as it saves. */
function handOver(blob: Blob, name: string): void {
  const link = document.createElement("a");
  // A Blob without a type of its own keeps the name's extension and is never shown as a page.
  link.href = URL.createObjectURL(blob.slice(0, blob.size, "application/octet-stream"));
  link.download = name;
  link.click();
}
