import { messageOf, PiezaError, type Trouble, troubleOf } from "#core/base/errors.ts";
import type { DownloadSnapshot } from "#core/download/snapshot.ts";

/** What only a page meets. */
export type PageTrouble =
  | "bad_address"
  | "bad_torrent"
  | "bad_url"
  | "browser_refuses"
  | "gone_meanwhile"
  | "insecure_peer"
  | "no_leave"
  | "no_lengths"
  | "no_torrent_there"
  | "no_upload_peer"
  | "source_changed";

/** What the page can say of a failure in its own words. */
export type ShownTrouble = Trouble | NonNullable<DownloadSnapshot["trouble"]> | PageTrouble;

/** A failure as the page keeps it until it is drawn: the language may change meanwhile. */
export interface Failure {
  readonly trouble: ShownTrouble | undefined;
  /** In English, as the engine or a server said it. */
  readonly text: string;
}

/** A failure that says more than its code. */
export class PageFailure extends PiezaError {
  readonly trouble: PageTrouble;

  constructor(trouble: PageTrouble, ...rest: ConstructorParameters<typeof PiezaError>) {
    super(...rest);
    this.trouble = trouble;
  }
}

/** What browsers call the failures of their storage, of files that a person chose, and of those that they save to. */
const ofBrowsers: Readonly<Record<string, ShownTrouble>> = {
  NotAllowedError: "browser_refuses",
  SecurityError: "browser_refuses",
  NoModificationAllowedError: "browser_refuses",
  NotFoundError: "gone_meanwhile",
  NotReadableError: "gone_meanwhile",
  QuotaExceededError: "storage_full",
};

/** Of anything thrown, by us, by the worker or by the browser. */
export function failureOf(error: unknown): Failure {
  const text = messageOf(error);
  const { trouble } = error as { trouble?: ShownTrouble };
  if (trouble !== undefined) return { trouble, text };
  const named = error instanceof DOMException ? ofBrowsers[error.name] : undefined;
  return { trouble: named ?? troubleOf(error), text };
}

/** Said of a peer in the person's own network, as long as the browser asks for leave to use it. */
export const NO_LEAVE =
  "this browser keeps the page out of the local network; allow local network access in the settings of this site";

/** Said of a peer whose address asks for more than to be reached. */
export const NO_ADDRESS = "not the address of a peer";

/** A reason as it is shown: in the page's language, and what was said in another. */
export interface ReasonText {
  readonly ours: string;
  /** In English, as the engine or a server said it; empty where it adds nothing. */
  readonly theirs: string;
}

/** Where the words of the engine or of a server say more than ours. */
const telling: ReadonlySet<ShownTrouble> = new Set([
  "already_exists",
  "bad_torrent",
  "failed_precondition",
  "internal",
  "invalid_argument",
  "no_lengths",
  "no_torrent_there",
  "no_tracker",
  "permission_denied",
  "unauthenticated",
]);

/** `text` is the engine's, in English; `troubles` are the page's own words, as far as it has any in this language. */
export function reasonText(
  { trouble, text }: Failure,
  troubles: Readonly<Partial<Record<ShownTrouble, string>>>,
): ReasonText {
  const ours = trouble && troubles[trouble];
  if (trouble === undefined || ours === undefined) return { ours: "", theirs: text };
  return { ours, theirs: telling.has(trouble) ? text : "" };
}

/** Of a peer that is not used from here, the reasons that there are on our side. */
export function peerTrouble({
  state,
  trouble,
  reason,
}: Pick<DownloadSnapshot["peers"][number], "state" | "trouble" | "reason">): ShownTrouble | undefined {
  if (trouble === "permission_denied" && reason.endsWith(NO_LEAVE)) return "no_leave";
  if (reason === NO_ADDRESS) return "bad_address";
  return state === "skipped" && trouble === "failed_precondition" ? "insecure_peer" : trouble;
}
