/**
 * Whether an Accept header prefers text/html to JSON. That of a browser does; that of curl (any type) and a missing
 * one do not.
 */
export function prefersHtml(accept: string | undefined): boolean {
  return quality(accept, "text/html") > quality(accept, "application/json");
}

/** Whether an Accept header prefers application/json to text/html. That of a browser or of curl does not. */
export function prefersJson(accept: string | undefined): boolean {
  return quality(accept, "application/json") > quality(accept, "text/html");
}

/** The quality of a media type, 0 to 1, by the most specific range that matches it (RFC 9110, section 12.5.1). */
function quality(accept = "*/*", type: string): number {
  const ranges = new Map(accept.split(",").map(parseRange));
  return ranges.get(type) ?? ranges.get(type.replace(/\/.*/, "/*")) ?? ranges.get("*/*") ?? 0;
}

function parseRange(range: string): [type: string, quality: number] {
  const [type = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
  const q = parameters.find((parameter) => parameter.startsWith("q="));
  return [type, q === undefined ? 1 : Number(q.slice(2)) || 0];
}
