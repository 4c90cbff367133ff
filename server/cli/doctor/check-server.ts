import { messageOf, PiezaError } from "#core/base/errors.ts";
import { proxyFor, proxyName } from "../../http/client/proxy.ts";
import { tlsProblem } from "../../http/client/tls-problem.ts";
import { formatDuration } from "../line/units.ts";
import { checkWindows } from "./check-windows.ts";
import { type Finding, type LookOptions, ok, problem, type Role, warning } from "./finding.ts";
import { type Probed, probe } from "./probe.ts";

export interface ServerLook {
  readonly findings: readonly Finding[];
  /** What GET / says, if that is JSON: the server's own description. */
  readonly overview: Readonly<Record<string, unknown>> | undefined;
}

/** Clocks that differ by less are as good as right. */
const CLOCK_SLACK_MS = 30_000;
/** A certificate that ends sooner is worth a word. */
const RENEW_MS = 14 * 86_400_000;
/** Some page, to see whether pages are let in. */
const ORIGIN = "https://page.example";
const PIECE_CALL = "/pieza.v1.PeerService/GetPiece";

/** Whether a server is there, who it is, and whether its TLS, clock, CORS and windows are in order. */
export async function lookAtServer(
  url: string,
  expected: Role | undefined,
  options: LookOptions,
): Promise<ServerLook> {
  const check = expected ?? "server";
  let answer: Probed;
  try {
    answer = await probe(`${url}/`, { ...options, headers: { accept: "application/json", origin: ORIGIN } });
  } catch (error) {
    options.signal.throwIfAborted();
    return { findings: [...proxied(url), unreachable(check, url, error)], overview: undefined };
  }
  const overview = parse(answer.body);
  const findings = [
    ...proxied(url),
    identity(check, url, expected, answer, overview),
    ...certificate(url, answer),
    clock(url, answer),
  ];
  findings.push(await cors(url, answer, options));
  findings.push(await checkWindows(url, roleOf(overview) ?? expected, options));
  return { findings, overview };
}

export function roleOf(overview: ServerLook["overview"]): Role | undefined {
  const [, role] = /^pieza (tracker|catalog|peer)$/.exec(String(overview?.service)) ?? [];
  return role as Role | undefined;
}

function proxied(url: string): Finding[] {
  const proxy = proxyFor(url);
  if (!proxy) return [];
  const name = url.startsWith("https:") ? "HTTPS_PROXY" : "HTTP_PROXY";
  return [
    ok("proxy", url, `asked through the proxy ${proxyName(proxy)}, as ${name} says and NO_PROXY does not`),
  ];
}

const SYSTEM_WORDS: Readonly<Record<string, readonly [message: string, advice: string]>> = {
  ECONNREFUSED: ["nothing listens there", "start the server, or look whether host and port are right"],
  ENOTFOUND: ["there is no such host", "look at the name; is the name server in order?"],
  EAI_AGAIN: ["the name server does not answer", "look at this machine's network"],
  EHOSTUNREACH: ["there is no way to that host", "look at the network between here and there"],
  ENETUNREACH: ["there is no way to that network", "look at this machine's network"],
};

const TRY_HTTPS = "perhaps it speaks TLS: try https://";

function unreachable(check: Finding["check"], url: string, error: unknown): Finding {
  const tls = tlsProblem(error);
  if (tls !== undefined) {
    const [message, advice = "have its certificate renewed or corrected"] = tls.split(/; (.*)/, 2);
    return problem("tls", url, message!, advice);
  }
  const { code = "", message } = error as NodeJS.ErrnoException;
  if (error instanceof PiezaError) {
    return problem(check, url, message, "a firewall may drop what comes; is the server's process stuck?");
  }
  if (code.startsWith("HPE_") || /socket hang up|ECONNRESET|parse error/i.test(`${code} ${message}`)) {
    const advice = url.startsWith("http:") ? TRY_HTTPS : "look whether the port is that of another program";
    return problem(check, url, "it does not answer in HTTP", advice);
  }
  const [words, advice] = SYSTEM_WORDS[code] ?? [messageOf(error), "look at the server's log"];
  return problem(check, url, words, advice);
}

function identity(
  check: Finding["check"],
  url: string,
  expected: Role | undefined,
  { status, tookMs }: Probed,
  overview: ServerLook["overview"],
): Finding {
  const role = roleOf(overview);
  if (status === 421) {
    return problem(
      check,
      url,
      "it does not answer to this host name",
      "start it with --allowed-host, or --public-url",
    );
  }
  // What servers say that speak TLS on a port, this project's and others'.
  if (role === undefined && status === 400 && url.startsWith("http:")) {
    return problem(check, url, "it does not take plain HTTP", TRY_HTTPS);
  }
  if (role === undefined) {
    return warning(
      check,
      url,
      `it answers ${status} and does not say what it is`,
      "is it a pieza server at all?",
    );
  }
  if (expected !== undefined && role !== expected) {
    return problem(check, url, `it is a ${role}, not a ${expected}`, `use the ${expected}'s URL`);
  }
  return ok(role, url, `a ${role} that answers in ${Math.max(1, Math.round(tookMs))} ms`);
}

function certificate(url: string, { validUntil }: Probed): Finding[] {
  if (!validUntil) return [];
  const leftMs = validUntil.getTime() - Date.now();
  const when = `its certificate is trusted and valid until ${validUntil.toISOString().slice(0, 10)}`;
  if (leftMs > RENEW_MS) return [ok("tls", url, when)];
  return [
    warning("tls", url, `${when}, that is not long`, "have it renewed; the server takes up the new files"),
  ];
}

function clock(url: string, { headers, tookMs }: Probed): Finding {
  const theirs = Date.parse(headers.date ?? "");
  if (Number.isNaN(theirs)) return ok("clock", url, "it does not say what time it has");
  const offMs = theirs - (Date.now() - tookMs / 2);
  // The header has whole seconds.
  if (Math.abs(offMs) < CLOCK_SLACK_MS) return ok("clock", url, "its clock agrees with this machine's");
  const ahead = offMs > 0 ? "ahead of" : "behind";
  return warning(
    "clock",
    url,
    `its clock is ${formatDuration(Math.abs(offMs))} ${ahead} this machine's`,
    "set both by NTP; certificates and tokens go by the clock",
  );
}

async function cors(url: string, { headers }: Probed, options: LookOptions): Promise<Finding> {
  const advice = "whatever stands in front of it (a proxy?) has to pass CORS headers and OPTIONS through";
  const open = (value: unknown) => value === "*" || value === ORIGIN;
  if (!open(headers["access-control-allow-origin"])) {
    return problem("cors", url, "pages in browsers may not read its answers", advice);
  }
  const exposed = String(headers["access-control-expose-headers"] ?? "").toLowerCase();
  if (!exposed.includes("grpc-status")) {
    return problem("cors", url, "pages in browsers may not see how a call ended (grpc-status)", advice);
  }
  const asked = {
    origin: ORIGIN,
    "access-control-request-method": "POST",
    "access-control-request-headers": "content-type,x-grpc-web,grpc-timeout",
  };
  const preflight = await probe(`${url}${PIECE_CALL}`, {
    ...options,
    method: "OPTIONS",
    headers: asked,
  }).catch(() => undefined);
  options.signal.throwIfAborted();
  const allowed = String(preflight?.headers["access-control-allow-headers"] ?? "").toLowerCase();
  if (!open(preflight?.headers["access-control-allow-origin"]) || !allowed.includes("x-grpc-web")) {
    return problem("cors", url, "browsers may not call it: it refuses to be asked first (OPTIONS)", advice);
  }
  return ok("cors", url, "pages of any origin may read from it");
}

function parse(body: string): ServerLook["overview"] {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
