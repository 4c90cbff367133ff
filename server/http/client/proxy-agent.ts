import http from "node:http";
import https from "node:https";
import tls from "node:tls";
import { everythingThrough, proxyFor } from "./proxy.ts";

/** For one request to an http or https URL, through the proxy that the environment names for it. `ca`: as PEM, trusted too. */
export function agentFor(url: string, ca?: string | Buffer): http.Agent {
  const proxy = proxyFor(url);
  const way = proxy && { proxyEnv: everythingThrough(proxy) };
  if (!url.startsWith("https:")) return new http.Agent({ ...way });
  return new https.Agent({ ...way, ...(ca && { ca: [...tls.getCACertificates("default"), ca] }) });
}
