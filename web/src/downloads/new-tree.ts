import { namesFor, safeName } from "../base/safe-names.ts";

/** The search for a free folder name ends here. */
const MAX_NAMESAKES = 1_000;

/** A folder or file with its path below the top of a NewTree. */
interface Placed<Handle> {
  readonly handle: Handle;
  readonly path: string;
}

/** `getFileHandle` or `getDirectoryHandle` of a folder. */
type Find<Handle> = (name: string, options?: { create: boolean }) => Promise<Handle>;

/** Files and folders in a folder that was empty. Nothing in it is written twice. */
export class NewTree {
  /** By their path in the torrent. */
  readonly #folders = new Map<string, Placed<FileSystemDirectoryHandle>>();

  constructor(top: FileSystemDirectoryHandle) {
    this.#folders.set("", { handle: top, path: "" });
  }

  /** Makes the file of this path in the torrent. Its path here differs where the browser refuses a name. */
  async file(path: string): Promise<Placed<FileSystemFileHandle>> {
    const [folderPath, name] = splitPath(path);
    const folder = await this.#folder(folderPath);
    return place(folder, name, (...args) => folder.handle.getFileHandle(...args));
  }

  async #folder(path: string): Promise<Placed<FileSystemDirectoryHandle>> {
    const there = this.#folders.get(path);
    if (there) return there;
    const [parentPath, name] = splitPath(path);
    const parent = await this.#folder(parentPath);
    const made = await place(parent, name, (...args) => parent.handle.getDirectoryHandle(...args));
    this.#folders.set(path, made);
    return made;
  }
}

/**
 * Makes a new folder called `name`, or `name (2)` if there is one already. An existing one is never used: its files are
 * the person's.
 */
export async function newFolder(
  parent: FileSystemDirectoryHandle,
  name: string,
): Promise<FileSystemDirectoryHandle> {
  const find: Find<FileSystemDirectoryHandle> = (...args) => parent.getDirectoryHandle(...args);
  const taken = (await lookFor(name, find)) === "refused" ? `${safeName(name)}_` : name;
  for (let n = 1; n <= MAX_NAMESAKES; n++) {
    const numbered = n === 1 ? taken : `${taken} (${n})`;
    if ((await lookFor(numbered, find)) === "free") return find(numbered, { create: true });
  }
  throw new Error(`there are ${MAX_NAMESAKES} folders of that name`);
}

/** Makes an entry of this name, or of the next best one that is free and that the browser takes. */
async function place<Handle>(
  { path }: Placed<FileSystemDirectoryHandle>,
  name: string,
  find: Find<Handle>,
): Promise<Placed<Handle>> {
  for (const candidate of namesFor(name)) {
    if ((await lookFor(candidate, find)) !== "free") continue;
    const handle = await find(candidate, { create: true });
    return { handle, path: path === "" ? candidate : `${path}/${candidate}` };
  }
  throw new Error(`no name can be found for ${name}`);
}

/** Browsers refuse names that are dangerous on some system, on every system. */
async function lookFor(name: string, find: Find<unknown>): Promise<"free" | "there" | "refused"> {
  try {
    await find(name);
    return "there";
  } catch (error) {
    if (error instanceof TypeError) return "refused";
    const { name: problem } = error as DOMException;
    if (problem === "NotFoundError") return "free";
    if (problem === "TypeMismatchError") return "there";
    throw error;
  }
}

/** The folder and the name of a path. */
function splitPath(path: string): [folder: string, name: string] {
  const cut = path.lastIndexOf("/");
  return [path.slice(0, Math.max(0, cut)), path.slice(cut + 1)];
}
