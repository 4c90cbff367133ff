import { isWildcard } from "../../http/base/outer-address.ts";
import { loadOrMakeToken } from "../../http/guards/token.ts";
import type { EdgeOptions } from "../../http/handling/options.ts";
import { serverDir } from "../clients/data-dir.ts";
import { CliError, ExitCode, Interrupted } from "../line/exit-code.ts";
import { environmentName, longFlag } from "../line/invocation.ts";
import type { CommonOption, Flags, OptionName, ServerOption } from "../line/options.ts";
import type { Output } from "../line/output.ts";

/** The options of every server, from its flags. */
export function edgeOptions(flags: Flags<ServerOption>, port: number, out: Output): EdgeOptions {
  if (flags.publicUrl === undefined && isWildcard(flags.host ?? ""))
    out.note("If others cannot reach this server at the URL below, give --public-url.");
  return {
    host: flags.host,
    port,
    publicUrl: flags.publicUrl,
    tlsCert: flags.tlsCert,
    tlsKey: flags.tlsKey,
    allowedHosts: flags.allowedHost,
    allowOrigins: flags.allowOrigin,
    rateLimit: !flags.noRateLimit,
    log: (line) => out.log(line),
  };
}

/**
 * The token that this server requires: none with --open, else that of --token, else one that is made once and kept in
 * the server's folder. `purpose` says what the token allows.
 */
export async function serverToken(
  role: "catalog" | "peer",
  port: number,
  purpose: string,
  flags: Flags<CommonOption | "open">,
  out: Output,
): Promise<string | undefined> {
  if (flags.open) return undefined;
  if (flags.token !== undefined) return flags.token;
  const { token, path, made } = await loadOrMakeToken(serverDir(flags, role, port));
  if (made) out.note(`The token for ${purpose} is in ${path}`);
  return token;
}

/** An error of Node's `listen`. */
type ListenError = NodeJS.ErrnoException & { port?: number; address?: string };

/** Starts a server. Fails with CliError that says what to do about a port or address that it cannot have. */
export async function startOn<Server>(port: OptionName, start: () => Promise<Server>): Promise<Server> {
  try {
    return await start();
  } catch (error) {
    const { code, port: number, address } = error as ListenError;
    const options = { cause: error };
    const ways = `choose another with ${longFlag(port)} or ${environmentName(port)} (0 = any free one)`;
    if (code === "EADDRINUSE")
      throw new CliError(ExitCode.FAILED, `port ${number} is in use on ${address}; ${ways}`, options);
    if (code === "EACCES" && number !== undefined)
      throw new CliError(ExitCode.FAILED, `this user may not listen on port ${number}; ${ways}`, options);
    if (code !== "EADDRNOTAVAIL" && code !== "ENOTFOUND") throw error;
    const message = `--host: ${address ?? "it"} is not an address of this machine`;
    throw new CliError(ExitCode.USAGE, message, options);
  }
}

/** Closes the server if the rest of its start fails: else it would serve on, half started, after the error. */
export async function orClose<T>(server: { close(): Promise<void> }, rest: () => Promise<T>): Promise<T> {
  try {
    return await rest();
  } catch (error) {
    await server.close();
    throw error;
  }
}

/** Reports that a verb's server listens at `url`. */
export function sayListening(
  verb: "tracker" | "catalog" | "peer" | "gateway" | "seed",
  url: string,
  out: Output,
): void {
  const server = verb === "seed" ? "Peer" : `${verb[0]!.toUpperCase()}${verb.slice(1)}`;
  out.event("listening", { verb, url, pid: process.pid }, `${server} at ${url}`);
}

/** Resolves with the reason to end: the first signal that the process receives, or output that nobody takes. */
function signalled(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(signal.reason);
    signal.addEventListener("abort", () => resolve(signal.reason), { once: true });
  });
}

/** Runs a server until a signal comes. At SIGTERM it drains and finishes its calls; at Ctrl-C it stops at once. */
export async function serveUntilSignalled(
  signal: AbortSignal,
  server: { close(options?: { graceMs?: number }): Promise<void>; drain?(): Promise<void> },
): Promise<void> {
  const reason = await signalled(signal);
  if (!(reason instanceof Interrupted && reason.signal === "SIGTERM")) {
    await server.close({ graceMs: 0 });
    throw reason;
  }
  await server.drain?.();
  await server.close();
}
