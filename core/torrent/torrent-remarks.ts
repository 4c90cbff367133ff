import { InvalidField } from "../base/errors.ts";
import { isRfc3339 } from "../base/rfc3339.ts";
import { isServerUrl } from "../base/server-url.ts";
import { asArray, asText, asWholeNumber } from "./json-fields.ts";
import type { Torrent } from "./torrent.ts";

/** A client announces to every tracker of a torrent, so their number is bounded. */
export const MAX_TRACKERS = 16;
export const MAX_COMMENT_BYTES = 4_096;
/** More copies than any swarm has volunteers. */
export const MAX_REPLICATION_TARGET = 1_000;

/** The parts of a torrent that do not change its identity. */
export type TorrentRemarks = Pick<
  Torrent,
  "trackers" | "badTrackers" | "comment" | "createdAt" | "replicationTarget"
>;

/**
 * Parses the remarks in a torrent's JSON; an empty text counts as absent. Throws InvalidField. A tracker whose URL is no
 * address is left out and counted: the torrent is as good without it.
 */
export function parseRemarks(json: Record<string, unknown>): TorrentRemarks {
  const trackers = json.trackers === undefined ? [] : asArray(json.trackers, "trackers");
  if (trackers.length > MAX_TRACKERS) throw new InvalidField("trackers", `must be at most ${MAX_TRACKERS}`);
  const comment = json.comment === undefined ? "" : asText(json.comment, "comment", MAX_COMMENT_BYTES);
  const createdAt = json.created_at === undefined ? "" : asText(json.created_at, "created_at", 64);
  if (createdAt && !isRfc3339(createdAt))
    throw new InvalidField("created_at", "must be an RFC 3339 time, as in 2026-01-31T12:00:00Z");
  const usable = trackers.filter(isServerUrl);
  return {
    trackers: usable,
    ...(usable.length < trackers.length && { badTrackers: trackers.length - usable.length }),
    ...(comment && { comment }),
    ...(createdAt && { createdAt }),
    ...(json.replication_target !== undefined && {
      replicationTarget: asWholeNumber(
        json.replication_target,
        "replication_target",
        0,
        MAX_REPLICATION_TARGET,
      ),
    }),
  };
}

/** Checks the trackers of a torrent that is made or published. Throws InvalidField. */
export function checkTrackers(urls: readonly string[] = []): void {
  const at = urls.findIndex((url) => !isServerUrl(url));
  if (at >= 0)
    throw new InvalidField(`trackers[${at}]`, "must be the http or https URL of a server, without a user");
}
