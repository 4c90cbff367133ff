import { messageOf, PiezaError } from "#core/base/errors.ts";
import { proxyFor, proxyName } from "../../http/client/proxy.ts";
import { tlsProblem } from "../../http/client/tls-problem.ts";
import { formatDuration } from "../line/units.ts";
import { checkWindows } from "./check-windows.ts";
import { type CheckOptions, type Finding, ok, problem, type ServerKind, warning } from "./finding.ts";
import { type Probed, probe } from "./probe.ts";

export interface ServerCheck {
  readonly findings: readonly Finding[];
  /** The answer to GET /, in which a server describes itself; undefined if it is not a JSON object. */
  readonly overview: Readonly<Record<string, unknown>> | undefined;
  /** It answers, and can be a server of the expected kind, so that a call to it makes sense. */
  readonly usable: boolean;
}

/** A smaller difference between clocks does no harm. */
const CLOCK_SLACK_MS = 30_000;
/** A certificate that expires within this time gets a warning. */
const RENEW_MS = 14 * 86_400_000;
/** The origin of an imaginary page, to test CORS. */
const ORIGIN = "https://page.example";
const PIECE_CALL = "/pieza.v1.PeerService/GetPiece";

/** Checks whether a server answers, what kind it is, and its TLS, clock, CORS headers and HTTP/2 window. */
export async function checkServer(
  url: string,
  expected: ServerKind | undefined,
  options: CheckOptions,
): Promise<ServerCheck> {
  const check = expected ?? "server";
  let answer: Probed;
  try {
    answer = await probe(`${url}/`, { ...options, headers: { accept: "application/json", origin: ORIGIN } });
  } catch (error) {
    options.signal.throwIfAborted();
    const findings = [...proxied(url), unreachable(check, url, error)];
    return { findings, overview: undefined, usable: false };
  }
  const overview = parse(answer.body);
  const what = identity(check, url, expected, answer, overview);
  const findings = [...proxied(url), what, ...certificate(url, answer), clock(url, answer)];
  findings.push(await cors(url, answer, options));
  findings.push(await checkWindows(url, kindOf(overview) ?? expected, options));
  return { findings, overview, usable: what.level !== "problem" };
}

/** The kind that a server gives itself in GET /; undefined if it names none of ours. */
export function kindOf(overview: ServerCheck["overview"]): ServerKind | undefined {
  const [, role] = /^pieza (tracker|catalog|peer)$/.exec(String(overview?.service)) ?? [];
  return role as ServerKind | undefined;
}

function proxied(url: string): Finding[] {
  const proxy = proxyFor(url);
  if (!proxy) return [];
  const name = url.startsWith("https:") ? "HTTPS_PROXY" : "HTTP_PROXY";
  return [
    ok(
      "proxy",
      url,
      `requests go through the proxy ${proxyName(proxy)}, because of ${name}; NO_PROXY does not exclude it`,
    ),
  ];
}

const SYSTEM_WORDS: Readonly<Record<string, readonly [message: string, advice: string]>> = {
  ECONNREFUSED: ["nothing listens at this address", "start the server, or check the host and port"],
  ENOTFOUND: ["there is no such host", "check the name, and this machine's DNS settings"],
  EAI_AGAIN: ["the name server does not answer", "check this machine's network and DNS settings"],
  EHOSTUNREACH: ["there is no route to this host", "check the network between this machine and the host"],
  ENETUNREACH: ["there is no route to this network", "check this machine's network"],
};

const TRY_HTTPS = "if the port is for TLS, try https://";

function unreachable(check: Finding["check"], url: string, error: unknown): Finding {
  const tls = tlsProblem(error);
  if (tls !== undefined) {
    const [message, advice = "renew or correct its certificate"] = tls.split(/; (.*)/, 2);
    return problem("tls", url, message!, advice);
  }
  const { code = "", message } = error as NodeJS.ErrnoException;
  if (error instanceof PiezaError) {
    return problem(
      check,
      url,
      message,
      "check for a firewall that drops packets, and whether the server's process hangs",
    );
  }
  if (code.startsWith("HPE_") || /socket hang up|ECONNRESET|parse error/i.test(`${code} ${message}`)) {
    const advice = url.startsWith("http:") ? TRY_HTTPS : "check whether another program uses this port";
    return problem(check, url, "its answer is not HTTP", advice);
  }
  const [words, advice] = SYSTEM_WORDS[code] ?? [messageOf(error), "see the server's log"];
  return problem(check, url, words, advice);
}

function identity(
  check: Finding["check"],
  url: string,
  expected: ServerKind | undefined,
  { status, headers, tookMs }: Probed,
  overview: ServerCheck["overview"],
): Finding {
  const role = kindOf(overview);
  if (status === 421) {
    const advice = "start it with --allowed-host or --public-url";
    return problem(check, url, "it refuses requests for this host name", advice);
  }
  // Servers answer 400 to plain HTTP at a TLS port, ours and others.
  if (role === undefined && status === 400 && url.startsWith("http:")) {
    return problem(check, url, "it does not accept plain HTTP", TRY_HTTPS);
  }
  if (role === undefined && headers.location !== undefined && status >= 300 && status < 400) {
    const advice = "give that URL; pieza get and ls follow it, other programs may not";
    return warning(check, url, `it redirects to ${headers.location}`, advice);
  }
  if (role === undefined) {
    const message = `it answers with status ${status} and does not identify itself`;
    return warning(check, url, message, "check that this is a pieza server");
  }
  if (expected !== undefined && role !== expected) {
    return problem(check, url, `it is a ${role}, not a ${expected}`, `give the URL of a ${expected}`);
  }
  return ok(role, url, `a ${role} that answers in ${Math.max(1, Math.round(tookMs))} ms`);
}

function certificate(url: string, { validUntil }: Probed): Finding[] {
  if (!validUntil) return [];
  const leftMs = validUntil.getTime() - Date.now();
  const when = `its certificate is trusted and valid until ${validUntil.toISOString().slice(0, 10)}`;
  if (leftMs > RENEW_MS) return [ok("tls", url, when)];
  return [
    warning("tls", url, `${when}, which is soon`, "renew it; the server loads the new files by itself"),
  ];
}

function clock(url: string, { headers, tookMs }: Probed): Finding {
  const theirs = Date.parse(headers.date ?? "");
  if (Number.isNaN(theirs)) return ok("clock", url, "it does not send its time");
  const offMs = theirs - (Date.now() - tookMs / 2);
  if (Math.abs(offMs) < CLOCK_SLACK_MS) return ok("clock", url, "its clock agrees with this machine's");
  const off = `${formatDuration(Math.abs(offMs))} ${offMs > 0 ? "ahead of" : "behind"}`;
  const advice = "set both clocks by NTP; certificates depend on the time";
  return warning("clock", url, `its clock is ${off} this machine's`, advice);
}

async function cors(url: string, { headers }: Probed, options: CheckOptions): Promise<Finding> {
  const advice = "a proxy in front of it must pass CORS headers and OPTIONS requests through";
  const trouble = (message: string) => problem("cors", url, message, advice);
  const open = (value: unknown) => value === "*" || value === ORIGIN;
  if (!open(headers["access-control-allow-origin"])) {
    return trouble("pages in browsers cannot read its answers");
  }
  const exposed = String(headers["access-control-expose-headers"] ?? "").toLowerCase();
  if (!exposed.includes("grpc-status")) {
    return trouble("pages in browsers cannot read the result of a call (grpc-status)");
  }
  const asked = {
    origin: ORIGIN,
    "access-control-request-method": "POST",
    "access-control-request-headers": "content-type,x-grpc-web,grpc-timeout",
  };
  const request = { ...options, method: "OPTIONS", headers: asked } as const;
  const preflight = await probe(`${url}${PIECE_CALL}`, request).catch(() => undefined);
  options.signal.throwIfAborted();
  const allowed = String(preflight?.headers["access-control-allow-headers"] ?? "").toLowerCase();
  if (!open(preflight?.headers["access-control-allow-origin"]) || !allowed.includes("x-grpc-web")) {
    return trouble("browsers cannot call it, because it refuses the CORS preflight (OPTIONS)");
  }
  return ok("cors", url, "pages of any origin can read from it");
}

function parse(body: string): ServerCheck["overview"] {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
