import type { ContentConditions } from "#core/content/content-answer.ts";

/** A request for a content URL of this page's origin, on its way from the service worker to the engine. */
export interface ContentAsk {
  readonly type: "content";
  readonly method: "GET" | "HEAD";
  /** The path of the URL, percent-encoded. */
  readonly path: string;
  readonly conditions: ContentConditions;
}

/** The answer, sent through the port that came with the request. Undefined: this tab does not have the torrent. */
export interface ContentReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ReadableStream<Uint8Array> | undefined;
}
