/** What Windows refuses in a name. */
const REFUSED = /[\\/:<>"|?*\p{Cc}]/gu;
/** Windows drops dots and spaces at the end, and browsers refuse them at the start as well, except for one dot. */
const AT_THE_ENDS = /^[\s~]+|[\s.]+$/g;
/** Device names of Windows, with any extension. */
const DEVICE = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$|clock\$)\s*(\.|$)/i;

/** A name like `name` that Windows can write, and `name` itself if it can. */
export function safeName(name: string): string {
  const clean = name.replace(REFUSED, "_").replace(AT_THE_ENDS, (part) => "_".repeat(part.length));
  return DEVICE.test(clean) ? `_${clean}` : clean;
}

/**
 * Names to try for one entry of a folder, the best first: its own, one that Windows can write, one with another
 * extension, because browsers refuse some extensions, and numbered ones, because another entry may have the name.
 */
export function* namesFor(name: string): Generator<string> {
  yield name;
  const safe = safeName(name);
  if (safe !== name) yield safe;
  yield `${safe}_`;
  for (let n = 2; n <= MAX_NAMESAKES; n++) yield `${safe}_${n}`;
}

/** The search for a free name ends here. */
const MAX_NAMESAKES = 1_000;

/** Files that were given another path than they have in the torrent. */
export interface Renamed {
  readonly count: number;
  /** One of them: its path in the torrent and the one that it was given. */
  readonly from: string;
  readonly to: string;
}

/** What became of `paths`; undefined if all were kept. */
export function renamedOf(paths: readonly (readonly [from: string, to: string])[]): Renamed | undefined {
  const changed = paths.filter(([from, to]) => from !== to);
  const [first] = changed;
  return first && { count: changed.length, from: first[0], to: first[1] };
}

/** The same paths, each part such that Windows can write it. Paths that differ stay different there. */
export function windowsPaths(paths: readonly string[]): string[] {
  const folders = new Map<string, WindowsNames>();
  const namesIn = (folder: string) => {
    const names = folders.get(folder) ?? new WindowsNames();
    folders.set(folder, names);
    return names;
  };
  const all = paths.map(stepsOf);
  // What can keep its name has it before others are renamed.
  for (const { folder, name } of all.flat()) if (safeName(name) === name) namesIn(folder).give(name);
  return all.map((steps) => steps.map(({ folder, name }) => namesIn(folder).give(name)).join("/"));
}

/** The names of one folder, as they are in the torrent and as Windows can write them. */
class WindowsNames {
  readonly #given = new Map<string, string>();
  /** In lower case, because Windows ignores it. */
  readonly #taken = new Set<string>();

  give(name: string): string {
    const there = this.#given.get(name);
    if (there !== undefined) return there;
    for (const to of namesFor(safeName(name))) {
      if (this.#taken.has(to.toLowerCase())) continue;
      this.#taken.add(to.toLowerCase());
      this.#given.set(name, to);
      return to;
    }
    throw new Error(`there are ${MAX_NAMESAKES} files called ${name}`);
  }
}

/** The parts of a path, each with the path of its folder in the torrent. */
function stepsOf(path: string): { readonly folder: string; readonly name: string }[] {
  const names = path.split("/");
  return names.map((name, n) => ({ folder: names.slice(0, n).join("/"), name }));
}
