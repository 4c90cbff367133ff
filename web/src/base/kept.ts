/** A text in the storage of this browser; undefined if there is none or storage is denied. */
export function keptText(key: string): string | undefined {
  try {
    return localStorage.getItem(key) ?? undefined;
  } catch {
    return undefined;
  }
}

/** Stores a text in this browser. Where storage is denied or full, it lasts only as long as the caller keeps it. */
export function keepText(key: string, text: string): void {
  try {
    localStorage.setItem(key, text);
  } catch {
    // Nothing that is kept here is needed.
  }
}

/** A stored JSON list. Other values are left out, because the person may have edited the storage. */
export function keptList<T>(key: string, isEntry: (value: unknown) => value is T): readonly T[] {
  try {
    const list: unknown = JSON.parse(keptText(key) ?? "[]");
    return Array.isArray(list) ? list.filter(isEntry) : [];
  } catch {
    return [];
  }
}
