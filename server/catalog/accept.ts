/**
 * True if an Accept header asks for text/html more than for JSON: a browser's does. curl's (anything will do) and none
 * at all do not.
 */
export function prefersHtml(accept: string | undefined): boolean {
  return quality(accept, "text/html") > quality(accept, "application/json");
}

/** How much a media type is wanted, 0 to 1: the most exact range that fits it counts (RFC 9110, section 12.5.1). */
function quality(accept = "*/*", type: string): number {
  const ranges = new Map(accept.split(",").map(parseRange));
  return ranges.get(type) ?? ranges.get(type.replace(/\/.*/, "/*")) ?? ranges.get("*/*") ?? 0;
}

function parseRange(range: string): [type: string, quality: number] {
  const [type = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
  const q = parameters.find((parameter) => parameter.startsWith("q="));
  return [type, q === undefined ? 1 : Number(q.slice(2)) || 0];
}
