const KEY = "pieza.trackers";

/** The trackers that the person entered in this browser. */
export function keptTrackers(): readonly string[] {
  try {
    const trackers: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(trackers) ? trackers.filter(isHttpUrl) : [];
  } catch {
    return [];
  }
}

export function keepTrackers(trackers: readonly string[]): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(trackers));
  } catch {
    // Storage is denied: the trackers last as long as the tab.
  }
}

/** The person may have edited the storage. */
function isHttpUrl(url: unknown): url is string {
  return typeof url === "string" && /^https?:/.test(url) && URL.canParse(url);
}
