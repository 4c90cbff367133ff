import { isWildcard } from "../../http/base/outer-address.ts";
import type { EdgeOptions } from "../../http/handling/options.ts";
import { CliError, ExitCode, type Interrupted } from "../line/exit-code.ts";
import { environmentName, longFlag } from "../line/invocation.ts";
import type { Flags, OptionName, ServerOption } from "../line/options.ts";
import type { Output } from "../line/output.ts";

/** The options that every server takes, from its flags. */
export function edgeOptions(flags: Flags<ServerOption>, port: number, out: Output): EdgeOptions {
  if (flags.publicUrl === undefined && isWildcard(flags.host ?? ""))
    out.note("Others reach this server at the address that follows; if not, say --public-url.");
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

/** Starts a server, and says what to do about a port that is taken. */
export async function startOn<Server>(port: OptionName, start: () => Promise<Server>): Promise<Server> {
  try {
    return await start();
  } catch (error) {
    const {
      code,
      port: number,
      address,
    } = error as NodeJS.ErrnoException & { port?: number; address?: string };
    const ways = `choose another with ${longFlag(port)} or ${environmentName(port)} (0 = any free one)`;
    if (code === "EADDRINUSE") {
      throw new CliError(ExitCode.FAILED, `port ${number} is in use on ${address}; ${ways}`, {
        cause: error,
      });
    }
    if (code === "EACCES" && number !== undefined) {
      throw new CliError(ExitCode.FAILED, `port ${number} needs more rights; ${ways}`, { cause: error });
    }
    if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND") {
      throw new CliError(ExitCode.USAGE, `--host: ${address ?? "it"} is not an address of this machine`, {
        cause: error,
      });
    }
    throw error;
  }
}

/** Resolves at the first signal, with it. */
export function signalled(signal: AbortSignal): Promise<Interrupted> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(signal.reason as Interrupted);
    signal.addEventListener("abort", () => resolve(signal.reason as Interrupted), { once: true });
  });
}

/** Runs a server until a signal comes, then ends it: SIGTERM lets it finish what is under way, Ctrl-C does not wait. */
export async function serveUntilSignalled(
  signal: AbortSignal,
  server: { close(options?: { graceMs?: number }): Promise<void>; drain?(): Promise<void> },
): Promise<void> {
  const interrupted = await signalled(signal);
  if (interrupted.signal !== "SIGTERM") {
    await server.close({ graceMs: 0 });
    throw interrupted;
  }
  await server.drain?.();
  await server.close();
}
