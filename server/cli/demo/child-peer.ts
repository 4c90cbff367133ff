import { type ChildProcess, fork } from "node:child_process";
import { createInterface } from "node:readline";
import { programPath } from "../../base/own-package.ts";
import { CliError, ExitCode } from "../line/exit-code.ts";
import type { Flags } from "../line/options.ts";
import type { Demo, DemoPeer } from "./demo.ts";

/** What each peer of the demo takes of publishers, and lends to copies of what others have. */
const UPLOADS = "10GiB";
const COPIES = "10GiB";

/** A peer in a process of its own, which ends when this process does, however that ends. */
export interface ChildPeer {
  readonly pid: number;
  /** Resolves once it serves and the tracker knows it; rejects with what it failed of. */
  readonly url: Promise<string>;
  /** Resolves when the process has ended, with its exit code or the signal's name. */
  readonly ended: Promise<number | string>;
  /** Ends it at once. */
  kill(): void;
}

export interface ChildPeerOptions {
  readonly demo: Demo;
  readonly peer: DemoPeer;
  /** Of the program that starts it, those that are meant for its peers too. */
  readonly flags: Flags<"host" | "tlsCert" | "tlsKey" | "noRateLimit" | "ca">;
  /** 0 for any free one. */
  readonly port: number;
  readonly tracker: string;
  /** What publishers put there, they may store here. */
  readonly catalog: string;
  /** The catalog's, which is this peer's too; undefined if that is open. */
  readonly token: string | undefined;
  /** Of the catalog's page, which stores here. */
  readonly pageOrigins: readonly string[];
  /** Told of what it prints on standard error, and why the tracker does not name it to others. */
  readonly onTrouble: (line: string) => void;
}

export function startChildPeer(options: ChildPeerOptions): ChildPeer {
  const child = fork(programPath, argumentsFor(options), {
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    // The token in a variable and not in the arguments, which everybody on this machine can read.
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

/** What the person set for `up` is not meant for its peers, but for the log of requests. */
function withoutOurVariables(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = ([name]: [string, unknown]) => !name.startsWith("PIEZA_") || name === "PIEZA_LOG_REQUESTS";
  return Object.fromEntries(Object.entries(environment).filter(kept));
}

/** The URL of the "listening" event, once the tracker knows the peer too or has said why it does not. */
function listening(
  child: ChildProcess,
  ended: Promise<number | string>,
  { port, onTrouble }: ChildPeerOptions,
): Promise<string> {
  return new Promise((resolve, reject) => {
    let problem = new CliError(ExitCode.FAILED, "a peer's process ended before it served");
    let url: string | undefined;
    let announced = false;
    createInterface(child.stdout!).on("line", (line) => {
      const event = parseEvent(line);
      if (event?.event === "listening") url = event.url;
      if (event?.event === "announced") announced = true;
      if (event?.event === "announced" && !event.listed)
        onTrouble(`the tracker does not name it: ${event.reason}`);
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
  return new CliError(ExitCode.FAILED, `a peer did not start: ${message}`);
}
