const KEY = "pieza.token";

/**
 * Moves the token of a `/#token=...` link into the storage of this browser and out of the address bar, where it would
 * be seen, bookmarked and shared. The rest of the fragment stays.
 */
export function takeToken(page: Pick<Window, "location" | "history" | "localStorage"> = window): void {
  const match = /^#(.*?)&?token=([^&]+)(?:&(.*))?$/.exec(page.location.hash);
  if (!match) return;
  const [, before = "", token = "", after = ""] = match;
  const rest = [before, after].filter(Boolean).join("&");
  const { pathname, search } = page.location;
  page.history.replaceState(null, "", `${pathname}${search}${rest ? `#${rest}` : ""}`);
  try {
    page.localStorage.setItem(KEY, decodeURIComponent(token));
  } catch {
    // Storage is denied, or the token is not valid percent-encoding. Publishing will ask for a token.
  }
}

/** Keeps the token that the person typed. Without storage, the next publication asks for it again. */
export function keepToken(token: string, storage: Pick<Storage, "setItem"> = localStorage): void {
  try {
    storage.setItem(KEY, token);
  } catch {
    // Storage is denied.
  }
}

/** The token of the catalog; undefined if this browser has none. */
export function keptToken(storage: Pick<Storage, "getItem"> = localStorage): string | undefined {
  try {
    return storage.getItem(KEY) ?? undefined;
  } catch {
    return undefined;
  }
}
