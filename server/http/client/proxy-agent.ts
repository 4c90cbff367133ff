import "./interim-answers.ts";
import http from "node:http";
import https from "node:https";
import tls from "node:tls";
import { everythingThrough, proxyFor } from "./proxy.ts";

/** TLS options that trust `ca`, an authority's PEM, besides the system's authorities. */
export function trusting(ca: string | Buffer | undefined): { ca?: (string | Buffer)[] } {
  return ca === undefined ? {} : { ca: [...tls.getCACertificates("default"), ca] };
}

/** An agent for requests to an http or https URL, through `proxy` if there is one. */
export function agentThrough(proxy: URL | undefined, url: string, options: https.AgentOptions): http.Agent {
  const all = { ...options, ...(proxy && { proxyEnv: everythingThrough(proxy) }) };
  return url.startsWith("https:") ? new https.Agent(all) : new http.Agent(all);
}

/** An agent for one request to an http or https URL, through the environment's proxy. `ca`: see trusting. */
export function agentFor(url: string, ca?: string | Buffer): http.Agent {
  return agentThrough(proxyFor(url), url, trusting(ca || undefined));
}
