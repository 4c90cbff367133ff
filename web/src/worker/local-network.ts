/**
 * Browsers let a page from elsewhere into the person's own network only with their leave (Local Network Access), and say
 * of a request without it no more than of any other that failed.
 */

/** One permission first, two in later browsers. */
const PERMISSIONS = ["local-network-access", "local-network", "loopback-network"];

/** Names and addresses that are never of a machine elsewhere. */
const LOCAL =
  /^(localhost|.*\.localhost|.*\.local|127\..*|10\..*|192\.168\..*|172\.(1[6-9]|2\d|3[01])\..*|169\.254\..*|\[::1\]|\[f[cd].*|\[fe[89ab].*)$/;

export function isLocal(hostname: string): boolean {
  return LOCAL.test(hostname);
}

/** Whether a request from this page to that server needs a leave that the browser has not been given. */
export async function lacksLeave(url: URL, page: URL): Promise<boolean> {
  if (isLocal(page.hostname) || !isLocal(url.hostname)) return false;
  for (const name of PERMISSIONS) {
    const state = await navigator.permissions?.query({ name: name as PermissionName }).then(
      (status) => status.state,
      // A browser that knows no such permission asks for none.
      () => undefined,
    );
    if (state === "denied" || state === "prompt") return true;
  }
  return false;
}
