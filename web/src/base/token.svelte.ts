import { keepText, keptText } from "./kept.ts";

const KEY = "pieza.token";

/** A token of a link that differs from the one that this browser keeps. Anybody can make a link, so the person decides. */
class TokenOffer {
  #offered: string | undefined = $state();

  get isOpen(): boolean {
    return this.#offered !== undefined;
  }

  /** Keeps the token at once if this browser has none. */
  offer(token: string): void {
    const kept = keptToken();
    if (kept === undefined) keepToken(token);
    this.#offered = kept === undefined || kept === token ? undefined : token;
  }

  /** `use`: the offered token replaces the kept one. */
  answer(use: boolean): void {
    if (use && this.#offered !== undefined) keepToken(this.#offered);
    this.#offered = undefined;
  }
}

export const tokenOffer = new TokenOffer();

/**
 * Takes the token of a `/#token=...` link out of the address bar, where it would be seen, bookmarked and shared, and
 * keeps it in this browser or offers it. The rest of the fragment stays.
 */
export function takeToken(): void {
  const match = /^#(.*?)&?token=([^&]+)(?:&(.*))?$/.exec(location.hash);
  if (!match) return;
  const [, before = "", token = "", after = ""] = match;
  const rest = [before, after].filter(Boolean).join("&");
  const { pathname, search } = location;
  history.replaceState(null, "", `${pathname}${search}${rest ? `#${rest}` : ""}`);
  try {
    tokenOffer.offer(decodeURIComponent(token));
  } catch {
    // The token is not valid percent-encoding. Publishing will ask for it.
  }
}

/** Keeps the token that the person gave. Without storage, the next publication asks for it again. */
export const keepToken = (token: string) => keepText(KEY, token);

/** The token of the catalog; undefined if this browser has none. */
export const keptToken = () => keptText(KEY);
