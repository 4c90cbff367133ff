import { type ChildProcess, fork } from "node:child_process";
import { createInterface } from "node:readline";
import { programPath } from "../../base/own-package.ts";
import { CliError, ExitCode } from "../line/exit-code.ts";
import type { Flags } from "../line/options.ts";
import type { Demo, DemoPeer } from "./demo.ts";

/** The space that each demo peer gives to uploads and to copies. */
const UPLOADS = "10GiB";
const COPIES = "10GiB";

/** A peer in a process of its own. The process ends when this one does, even if this one is killed. */
export interface ChildPeer {
  readonly pid: number;
  /** Resolves when the peer serves and has announced itself; rejects with CliError if it cannot start. */
  readonly url: Promise<string>;
  /** Resolves with the exit code or the name of the signal when the process has ended. */
  readonly ended: Promise<number | string>;
  /** Kills the process at once. */
  kill(): void;
}

export interface ChildPeerOptions {
  readonly demo: Demo;
  readonly peer: DemoPeer;
  /** The flags of `up` that are passed on to the peer. */
  readonly flags: Flags<"host" | "tlsCert" | "tlsKey" | "noRateLimit" | "ca">;
  /** 0 for any free one. */
  readonly port: number;
  readonly tracker: string;
  /** URL of the catalog whose torrents may be uploaded to the peer. */
  readonly catalog: string;
  /** The token of the catalog and of the peer; undefined if they are open. */
  readonly token: string | undefined;
  /** Origins of the catalog's page, which uploads to the peer. */
  readonly pageOrigins: readonly string[];
  /** Receives each line of the peer's standard error, and why the tracker does not list the peer. */
  readonly onTrouble: (line: string) => void;
}

export function startChildPeer(options: ChildPeerOptions): ChildPeer {
  const child = fork(programPath, argumentsFor(options), {
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    // Any user of this machine can read a process's arguments, so the token goes into a variable.
    env: {
      ...withoutOurVariables(process.env),
      ...(options.token !== undefined && { PIEZA_TOKEN: options.token }),
    },
  });
  createInterface(child.stderr!).on("line", options.onTrouble);
  const ended = new Promise<number | string>((resolve) => {
    child.once("exit", (code, signal) => resolve(signal ?? code ?? 0));
  });
  const url = listening(child, ended, options);
  return { pid: child.pid!, url, ended, kill: () => void child.kill("SIGKILL") };
}

function argumentsFor({ demo, peer, flags, port, tracker, ...options }: ChildPeerOptions): string[] {
  const { host, tlsCert, tlsKey, ca, noRateLimit } = flags;
  const given = Object.entries({ "--host": host, "--tls-cert": tlsCert, "--tls-key": tlsKey, "--ca": ca });
  return [
    ...["peer", "--json", "--data", peer.dataDir, "--port", String(port), "--tracker", tracker],
    ...given.flatMap(([flag, value]) => (value === undefined ? [] : [flag, value])),
    ...(noRateLimit ? ["--no-rate-limit"] : []),
    ...["--accept-uploads", UPLOADS, "--volunteer", COPIES, "--catalog", options.catalog],
    ...(options.token === undefined ? ["--open"] : []),
    ...options.pageOrigins.flatMap((origin) => ["--allow-origin", origin]),
    ...demo.torrents.flatMap(({ torrentPath }) => ["--torrent", torrentPath]),
    ...["--inventory", peer.inventoryPath, "--", ...demo.torrents.map(({ path }) => path)],
  ];
}

/** Removes the variables that the user set for `up`, except the one that logs the peers' requests. */
function withoutOurVariables(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = ([name]: [string, unknown]) => !name.startsWith("PIEZA_") || name === "PIEZA_LOG_REQUESTS";
  return Object.fromEntries(Object.entries(environment).filter(kept));
}

/** Resolves with the URL of the "listening" event after the first "announced" event. */
function listening(
  child: ChildProcess,
  ended: Promise<number | string>,
  { port, onTrouble }: ChildPeerOptions,
): Promise<string> {
  return new Promise((resolve, reject) => {
    let problem = new CliError(ExitCode.FAILED, "a demo peer ended while it was starting");
    let url: string | undefined;
    let announced = false;
    createInterface(child.stdout!).on("line", (line) => {
      const event = parseEvent(line);
      if (event?.event === "listening") url = event.url;
      if (event?.event === "announced") announced = true;
      if (event?.event === "announced" && !event.listed)
        onTrouble(`the tracker does not list this peer: ${event.reason}`);
      if (url !== undefined && announced) resolve(url);
      if (event?.event === "error") problem = startError(event, port);
    });
    void ended.then(() => reject(problem));
  });
}

interface ChildEvent {
  event?: string;
  url?: string;
  listed?: boolean;
  reason?: string;
  code?: string;
  message?: string;
}

function parseEvent(line: string): ChildEvent | undefined {
  try {
    return JSON.parse(line) as ChildEvent;
  } catch {
    return undefined;
  }
}

function startError({ code, message }: ChildEvent, port: number): CliError {
  if (code === "EADDRINUSE") {
    const ways = "choose others with --peer-port or PIEZA_PEER_PORT (0 = any free ones)";
    return new CliError(ExitCode.FAILED, `port ${port} is in use; ${ways}`);
  }
  return new CliError(ExitCode.FAILED, `a demo peer cannot start: ${message}`);
}
