import { PiezaError } from "#core/base/errors.ts";
import type { ClientFlags } from "./client-flags.ts";

/** Follows the name of a server that answers with a web page: a proxy, another program, or the login of a network. */
export const PAGE_ADVICE = "is its URL right, or does this network ask for a login first?";

/** A longer page counts as none, and so does one that comes later. */
const MAX_PAGE_BYTES = 1 << 20;
const PAGE_MS = 3_000;

/** Adds the server's name to an error that says that it is unavailable; returns any other error as it is. */
export function outOfReach(error: unknown, server: string): unknown {
  if (!(error instanceof PiezaError) || error.code !== "unavailable") return error;
  return new PiezaError("unavailable", `cannot reach the ${server}: ${error.message}`, { cause: error });
}

/** Like outOfReach, but says so where a web page is in the place of the server. */
export async function whyOutOfReach(
  error: unknown,
  server: "catalog" | "tracker",
  url: string,
  flags: ClientFlags,
): Promise<unknown> {
  const named = outOfReach(error, `${server} at ${url}`);
  if (named === error || !(await answersWithPage(url, flags))) return named;
  const message = `${url} answers with a web page and not as a ${server}; ${PAGE_ADVICE}`;
  return new PiezaError("unavailable", message, { cause: error });
}

async function answersWithPage(url: string, { ca }: ClientFlags): Promise<boolean> {
  const { getText } = await import("./http-get.ts");
  try {
    const signal = AbortSignal.timeout(PAGE_MS);
    return isPage(await getText(`${url}/`, { ca, maxBytes: MAX_PAGE_BYTES, signal }));
  } catch {
    return false;
  }
}

/** Whether the text is HTML or XML. */
export function isPage(text: string): boolean {
  return /^\s*</.test(text);
}
