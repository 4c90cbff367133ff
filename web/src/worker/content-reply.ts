import { answerContent } from "#core/content/content-answer.ts";
import { contentTree, findContent } from "#core/content/content-tree.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import type { ContentAsk, ContentReply } from "../base/content-messages.ts";
import { type ContentStreamParts, contentStream } from "./content-stream.ts";

/** The answer to a request for a content URL, from a download of this tab. Undefined if there is no such file. */
export function contentReply(
  torrent: Torrent,
  names: readonly string[],
  { method, conditions }: ContentAsk,
  parts: ContentStreamParts,
): ContentReply | undefined {
  const tree = contentTree(torrent);
  const file = tree && findContent(tree, names);
  if (file?.kind !== "file") return undefined;
  const { status, headers, body } = answerContent(torrent.infoHash, file, conditions);
  const shown = headers["content-type"] === "application/pdf" ? asDocument(headers) : headers;
  if (!body || method === "HEAD") return { status, headers: shown, body: undefined };
  const range = { start: file.offset + body.start, end: file.offset + body.end };
  return { status, headers: shown, body: contentStream(parts, range) };
}

/** A browser's viewer of PDFs does not work in a sandbox. It is a program of the browser and not of this origin. */
function asDocument(headers: Readonly<Record<string, string>>): Record<string, string> {
  const { "content-security-policy": _, ...others } = headers;
  return { ...others, "content-disposition": "inline" };
}
