import type { PublishAsk } from "../base/messages.ts";

/** A file or a folder that the person chose. */
export type PublishSource = Omit<PublishAsk, "token">;

type SourceFile = PublishAsk["files"][number];

export function sourceOfFile(file: File): PublishSource {
  return { fileName: file.name, folder: false, files: [{ path: file.name, file }] };
}

/**
 * The folder of an `<input webkitdirectory>`, whose paths begin with the name of the folder. Undefined for an empty
 * folder.
 */
export function sourceOfFolder(list: Iterable<File>): PublishSource | undefined {
  const files = [...list].map((file) => ({ path: file.webkitRelativePath, file }));
  const [first] = files;
  if (!first) return undefined;
  const fileName = first.path.split("/", 1)[0]!;
  return {
    fileName,
    folder: true,
    files: files.map((f) => ({ ...f, path: f.path.slice(fileName.length + 1) })),
  };
}

/**
 * One source for each dropped file and folder. Call it in the drop event: the browser takes the items away after it.
 */
export function sourcesOfDrop(transfer: DataTransfer): Promise<PublishSource>[] {
  const entries = [...transfer.items]
    .map((item) => item.webkitGetAsEntry())
    .filter((entry) => entry !== null);
  return entries.map(async (entry) => {
    if (isFile(entry)) return sourceOfFile(await fileOf(entry));
    return {
      fileName: entry.name,
      folder: true,
      files: await filesIn(entry as FileSystemDirectoryEntry, ""),
    };
  });
}

/**
 * All files below a folder. `path` is the prefix of their paths: empty, or with a "/" at its end. Folders are read
 * one by one, because there may be many.
 */
async function filesIn(folder: FileSystemDirectoryEntry, path: string): Promise<SourceFile[]> {
  const files: SourceFile[] = [];
  for (const entry of await entriesOf(folder)) {
    if (isFile(entry)) files.push({ path: path + entry.name, file: await fileOf(entry) });
    else files.push(...(await filesIn(entry as FileSystemDirectoryEntry, `${path}${entry.name}/`)));
  }
  return files;
}

/** Reads all entries of a folder. A reader gives about a hundred at a time, and none at the end. */
async function entriesOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) return all;
    all.push(...some);
  }
}

function isFile(entry: FileSystemEntry): entry is FileSystemFileEntry {
  return entry.isFile;
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}
