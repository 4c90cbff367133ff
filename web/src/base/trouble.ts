import { messageOf, PiezaError, type Trouble, troubleOf } from "#core/base/errors.ts";
import type { DownloadSnapshot } from "#core/download/snapshot.ts";
import type { UploadPeerProgress } from "#core/upload/upload.ts";

/** Troubles that only the page has, beside those of core/. */
export type PageTrouble =
  | "bad_address"
  | "bad_torrent"
  | "bad_url"
  | "browser_refuses"
  | "gone_meanwhile"
  | "insecure_peer"
  | "no_local_network"
  | "no_lengths"
  | "no_torrent_there"
  | "no_upload_peer"
  | "other_catalog"
  | "other_token"
  | "page_kept_out"
  | "takes_no_uploads"
  | "source_changed";

/** Every trouble for which the page may have a text of its own. */
export type ShownTrouble = Trouble | NonNullable<DownloadSnapshot["trouble"]> | PageTrouble;

/** A failure before it is put into words: the language may change while it is shown. */
export interface Failure {
  readonly trouble: ShownTrouble | undefined;
  /** The message of the engine or of a server, in English. */
  readonly text: string;
}

/** A PiezaError with a trouble that its code does not express. */
export class PageFailure extends PiezaError {
  readonly trouble: PageTrouble;

  constructor(trouble: PageTrouble, ...rest: ConstructorParameters<typeof PiezaError>) {
    super(...rest);
    this.trouble = trouble;
  }
}

/** Names of the DOMExceptions of storage, chosen files and save targets. */
const troubleOfException: Readonly<Record<string, ShownTrouble>> = {
  NotAllowedError: "browser_refuses",
  SecurityError: "browser_refuses",
  NoModificationAllowedError: "browser_refuses",
  NotFoundError: "gone_meanwhile",
  NotReadableError: "gone_meanwhile",
  QuotaExceededError: "storage_full",
};

/** The failure for an error thrown by this code, by the worker or by the browser. */
export function failureOf(error: unknown): Failure {
  const text = messageOf(error);
  const { trouble } = error as { trouble?: ShownTrouble };
  if (trouble !== undefined) return { trouble, text };
  const named = error instanceof DOMException ? troubleOfException[error.name] : undefined;
  return { trouble: named ?? troubleOf(error), text };
}

/** Message for a peer in the local network while the browser has no permission to use that network. */
export const NO_LOCAL_NETWORK =
  "this browser keeps the page out of the local network; allow local network access in the settings of this site";

/** Message for a peer whose URL has more than scheme, host and port. */
export const NO_ADDRESS = "not the address of a peer";

/** Message for a server that answers, but lets no page of this origin change anything. */
export const PAGE_KEPT_OUT = "it does not let this page in";

/** A reason as it is shown: `ours` in the language of the page, `theirs` in English. */
export interface ReasonText {
  readonly ours: string;
  /** The message of the engine or of a server; empty where it adds nothing to `ours`. */
  readonly theirs: string;
}

/** Troubles for which the message of the engine or of a server says more than the text of the page. */
const saysMore: ReadonlySet<ShownTrouble> = new Set([
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

/** The reason to show. `troubles` has the texts of the page for its language; some may be missing. */
export function reasonText(
  { trouble, text }: Failure,
  troubles: Readonly<Partial<Record<ShownTrouble, string>>>,
): ReasonText {
  const ours = trouble && troubles[trouble];
  if (trouble === undefined || ours === undefined) return { ours: "", theirs: text };
  return { ours, theirs: saysMore.has(trouble) ? text : "" };
}

/** The trouble to show for a peer. It tells apart the reasons that lie with this browser or page. */
export function peerTrouble({
  state,
  trouble,
  reason,
}: Pick<DownloadSnapshot["peers"][number], "state" | "trouble" | "reason">): ShownTrouble | undefined {
  if (trouble === "permission_denied" && reason.endsWith(NO_LOCAL_NETWORK)) return "no_local_network";
  if (reason === NO_ADDRESS) return "bad_address";
  return state === "skipped" && trouble === "failed_precondition" ? "insecure_peer" : trouble;
}

/** The trouble to show for a peer that takes uploads. */
export function uploadTrouble({
  trouble,
  reason,
}: Pick<UploadPeerProgress, "trouble" | "reason">): ShownTrouble | undefined {
  if (trouble === "unauthenticated") return "other_token";
  if (trouble === "not_found") return "other_catalog";
  if (trouble === "unimplemented") return "takes_no_uploads";
  if (trouble !== "permission_denied") return trouble;
  if (reason.endsWith(NO_LOCAL_NETWORK)) return "no_local_network";
  return reason.endsWith(PAGE_KEPT_OUT) ? "page_kept_out" : "other_token";
}
