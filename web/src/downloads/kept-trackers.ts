import { keepText, keptList } from "../base/kept.ts";
import { isWebUrl, pageLinkOf } from "../base/page-link.ts";

const KEY = "pieza.trackers";

/** The trackers that the person entered in this browser. */
export function keptTrackers(): readonly string[] {
  return keptList(KEY, mayBeTracker);
}

export function keepTrackers(trackers: readonly string[]): void {
  keepText(KEY, JSON.stringify(trackers));
}

/** The worker refuses other texts, and with them to start. */
function mayBeTracker(url: unknown): url is string {
  return typeof url === "string" && isWebUrl(url) && !pageLinkOf(url);
}
