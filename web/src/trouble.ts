import type { Trouble } from "#core/errors.ts";
import type { DownloadSnapshot } from "#core/snapshot.ts";

/** What the page can say of a failure in its own words. */
export type ShownTrouble =
  | Trouble
  | NonNullable<DownloadSnapshot["trouble"]>
  | "no_lengths"
  | "insecure_peer";

/** A reason as it is shown: in the page's language, and what was said in another. */
export interface Told {
  readonly ours: string;
  /** In English, as the engine or a server said it; empty where it adds nothing. */
  readonly theirs: string;
}

/** Where the words of the engine or of a server say more than ours. */
const telling: ReadonlySet<ShownTrouble> = new Set([
  "already_exists",
  "failed_precondition",
  "internal",
  "invalid_argument",
  "no_lengths",
  "no_tracker",
  "permission_denied",
  "unauthenticated",
]);

/** `text` is the engine's, in English; `troubles` has the page's own words where it speaks another language. */
export function told(
  trouble: ShownTrouble | undefined,
  text: string,
  troubles: Readonly<Record<ShownTrouble, string>> | undefined,
): Told {
  if (!troubles || trouble === undefined) return { ours: "", theirs: text };
  return { ours: troubles[trouble], theirs: telling.has(trouble) ? text : "" };
}

/** Of a peer that is not used from here, the one reason that there is on our side. */
export function peerTrouble({ state, trouble }: DownloadSnapshot["peers"][number]): ShownTrouble | undefined {
  return state === "skipped" && trouble === "failed_precondition" ? "insecure_peer" : trouble;
}
