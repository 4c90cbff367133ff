import { InvalidField } from "../base/errors.ts";
import { isRfc3339 } from "../base/rfc3339.ts";
import { asArray, asText, asWholeNumber } from "./json-fields.ts";
import type { Torrent } from "./torrent.ts";

/** A client announces to every tracker of a torrent, so their number is bounded. */
export const MAX_TRACKERS = 16;
export const MAX_TRACKER_URL_BYTES = 1_024;
export const MAX_COMMENT_BYTES = 4_096;
/** More copies than any swarm has volunteers. */
export const MAX_REPLICATION_TARGET = 1_000;

/** The parts of a torrent that do not change its identity. */
export type TorrentRemarks = Pick<Torrent, "trackers" | "comment" | "createdAt" | "replicationTarget">;

/** Parses the remarks in a torrent's JSON; an empty text counts as absent. Throws InvalidField. */
export function parseRemarks(json: Record<string, unknown>): TorrentRemarks {
  const trackers = json.trackers === undefined ? [] : asArray(json.trackers, "trackers");
  if (trackers.length > MAX_TRACKERS) throw new InvalidField("trackers", `must be at most ${MAX_TRACKERS}`);
  const comment = json.comment === undefined ? "" : asText(json.comment, "comment", MAX_COMMENT_BYTES);
  const createdAt = json.created_at === undefined ? "" : asText(json.created_at, "created_at", 64);
  if (createdAt && !isRfc3339(createdAt))
    throw new InvalidField("created_at", "must be an RFC 3339 time, as in 2026-01-31T12:00:00Z");
  return {
    trackers: trackers.map((url, index) => checkTrackerUrl(url, `trackers[${index}]`)),
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

function checkTrackerUrl(value: unknown, field: string): string {
  const text = asText(value, field, MAX_TRACKER_URL_BYTES);
  const url = URL.parse(text);
  if (url?.protocol !== "http:" && url?.protocol !== "https:")
    throw new InvalidField(field, "must be an http or https URL");
  if (url.username || url.password) throw new InvalidField(field, "must not contain a user or a password");
  return text;
}
