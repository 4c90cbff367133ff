/**
 * Local Network Access: browsers let a public page into the local network only with the person's permission. A
 * request without it fails like any other that gets no answer.
 */

/** Names of the permission: one at first, two in later browsers. */
const PERMISSIONS = ["local-network-access", "local-network", "loopback-network"];

/** Host names and addresses that are always local. */
const LOCAL =
  /^(localhost|.*\.localhost|.*\.local|127\..*|10\..*|192\.168\..*|172\.(1[6-9]|2\d|3[01])\..*|169\.254\..*|\[::1\]|\[f[cd].*|\[fe[89ab].*)$/;

export function isLocal(hostname: string): boolean {
  return LOCAL.test(hostname);
}

/** Whether this page needs a permission for that server that the browser has not granted. */
export async function lacksPermission(url: URL, page: URL): Promise<boolean> {
  if (isLocal(page.hostname) || !isLocal(url.hostname)) return false;
  for (const name of PERMISSIONS) {
    const state = await navigator.permissions?.query({ name: name as PermissionName }).then(
      (status) => status.state,
      // A browser without this permission needs none.
      () => undefined,
    );
    if (state === "denied" || state === "prompt") return true;
  }
  return false;
}
