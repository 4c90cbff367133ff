import "../../../server/http/client/guard-http2.ts";
import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import { buffer } from "node:stream/consumers";

export interface RawRequest {
  readonly path: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly trailers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** What says nothing of the answer itself. */
const HOP_BY_HOP = new Set(["date", "connection", "keep-alive", "transfer-encoding", "content-length"]);

export interface RawOptions {
  readonly ca?: Buffer;
  readonly localAddress?: string;
  /** The name that the certificate has to have, whatever the Host header says. */
  readonly servername?: string;
}

/** Sends requests as they are over one HTTP version and keeps every byte of the answers. */
export class RawClient {
  readonly #url: URL;
  readonly #agent: http.Agent | undefined;
  readonly #session: http2.ClientHttp2Session | undefined;

  constructor(url: string, version: 1 | 2, options: RawOptions = {}) {
    this.#url = new URL(url);
    if (version === 2) this.#session = http2.connect(url, options);
    else if (this.#url.protocol === "https:") this.#agent = new https.Agent({ keepAlive: true, ...options });
    else this.#agent = new http.Agent({ keepAlive: true, ...options });
  }

  call(request: RawRequest): Promise<RawAnswer> {
    return this.#session ? callHttp2(this.#session, request) : this.#callHttp1(request);
  }

  close(): void {
    this.#agent?.destroy();
    this.#session?.destroy();
  }

  async #callHttp1({ path, method = "POST", headers = {}, body }: RawRequest): Promise<RawAnswer> {
    const { request } = this.#url.protocol === "https:" ? https : http;
    const call = request(new URL(path, this.#url), { method, headers, agent: this.#agent });
    call.end(body);
    const [response] = (await once(call, "response")) as [http.IncomingMessage];
    const read = await buffer(response);
    return {
      status: response.statusCode!,
      headers: plain(response.headers),
      trailers: plain(response.trailers),
      body: read,
    };
  }
}

async function callHttp2(
  session: http2.ClientHttp2Session,
  { path, method = "POST", headers = {}, body }: RawRequest,
): Promise<RawAnswer> {
  const stream = session.request({ ":method": method, ":path": path, ...headers });
  stream.end(body);
  let trailers: object = {};
  stream.once("trailers", (fields) => {
    trailers = fields;
  });
  const [head] = (await once(stream, "response")) as [http2.IncomingHttpHeaders & { ":status"?: number }];
  const read = await buffer(stream);
  return { status: head[":status"]!, headers: plain(head), trailers: plain(trailers), body: read };
}

function plain(fields: object): Record<string, string> {
  const kept = Object.entries(fields).filter(([name]) => !name.startsWith(":") && !HOP_BY_HOP.has(name));
  return Object.fromEntries(kept.map(([name, value]) => [name, String(value)]).sort());
}
