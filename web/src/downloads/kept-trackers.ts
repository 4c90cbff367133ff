const KEY = "pieza.trackers";

/** Trackers that the person told this browser to ask. */
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
    // Without storage they last as long as the tab.
  }
}

/** Storage is the person's, who may have changed it. */
function isHttpUrl(url: unknown): url is string {
  return typeof url === "string" && /^https?:/.test(url) && URL.canParse(url);
}
