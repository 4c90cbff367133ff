import { keepText, keptList } from "../base/kept.ts";

const KEY = "pieza.trackers";

/** The trackers that the person entered in this browser. */
export function keptTrackers(): readonly string[] {
  return keptList(KEY, isHttpUrl);
}

export function keepTrackers(trackers: readonly string[]): void {
  keepText(KEY, JSON.stringify(trackers));
}

function isHttpUrl(url: unknown): url is string {
  return typeof url === "string" && /^https?:/.test(url) && URL.canParse(url);
}
