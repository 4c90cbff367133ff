const KEY = "pieza.token";

/**
 * Moves the token of a `/#token=...` link into this browser's storage and out of the address bar, where it would be
 * seen, bookmarked and shared. Whatever else the fragment says stays.
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
    // Storage is denied or the token is no URI component: then there is no token, and publishing will ask for one.
  }
}

/** Keeps what the person typed. Without storage it lasts as long as what asked for it. */
export function keepToken(token: string, storage: Pick<Storage, "setItem"> = localStorage): void {
  try {
    storage.setItem(KEY, token);
  } catch {
    // Then the next publication asks again.
  }
}

/** The catalog's token, if this browser was given one. */
export function keptToken(storage: Pick<Storage, "getItem"> = localStorage): string | undefined {
  try {
    return storage.getItem(KEY) ?? undefined;
  } catch {
    return undefined;
  }
}
