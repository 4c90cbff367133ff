import { PiezaError } from "#core/base/errors.ts";
import { type ClientFlags, readCa } from "./client-flags.ts";

/** Time to find out where a server has moved. */
const MOVED_MS = 10_000;
/** What calls fail with where something else than a server of ours answers. */
const MAY_HAVE_MOVED: ReadonlySet<string> = new Set(["unavailable", "unimplemented", "internal"]);

/**
 * Asks a server of RPCs. If it does not answer them because it redirects all requests, as from http to https, the
 * server that it redirects to is asked. Fails with RedirectRefused, and as `ask`.
 */
export async function askWhereItMoved<T>(
  server: string,
  flags: ClientFlags,
  signal: AbortSignal,
  ask: (server: string, flags: ClientFlags) => Promise<T>,
): Promise<T> {
  try {
    return await ask(server, flags);
  } catch (error) {
    if (!(error instanceof PiezaError) || !MAY_HAVE_MOVED.has(error.code)) throw error;
    const moved = await movedTo(server, await readCa(flags), signal);
    if (moved === undefined) throw error;
    // A token that the person gave is for the host that the person named.
    const isSameHost = new URL(moved).hostname === new URL(server).hostname;
    return ask(moved, isSameHost ? flags : { ...flags, token: undefined });
  }
}

/** The server that another one redirects to. Undefined if it does not, or does not answer. */
async function movedTo(
  server: string,
  ca: string | undefined,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { follow, RedirectRefused } = await import("./redirects.ts");
  const either = AbortSignal.any([signal, AbortSignal.timeout(MOVED_MS)]);
  try {
    const { response, url } = await follow(`${server}/`, ca, { signal: either });
    response.destroy();
    const { origin } = new URL(url);
    const before = new URL(server);
    return origin === before.origin ? undefined : `${origin}${before.pathname}`.replace(/\/+$/, "");
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof RedirectRefused) throw error;
    return undefined;
  }
}
