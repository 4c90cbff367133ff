import { keepText, keptText } from "./kept.ts";

const KEY = "pieza.token";

/**
 * Moves the token of a `/#token=...` link into the storage of this browser and out of the address bar, where it would
 * be seen, bookmarked and shared. The rest of the fragment stays.
 */
export function takeToken(): void {
  const match = /^#(.*?)&?token=([^&]+)(?:&(.*))?$/.exec(location.hash);
  if (!match) return;
  const [, before = "", token = "", after = ""] = match;
  const rest = [before, after].filter(Boolean).join("&");
  const { pathname, search } = location;
  history.replaceState(null, "", `${pathname}${search}${rest ? `#${rest}` : ""}`);
  try {
    keepToken(decodeURIComponent(token));
  } catch {
    // The token is not valid percent-encoding. Publishing will ask for it.
  }
}

/** Keeps the token that the person gave. Without storage, the next publication asks for it again. */
export const keepToken = (token: string) => keepText(KEY, token);

/** The token of the catalog; undefined if this browser has none. */
export const keptToken = () => keptText(KEY);
