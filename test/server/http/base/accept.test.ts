import { expect, it } from "vitest";
import { prefersHtml, prefersJson } from "../../../../server/http/base/accept.ts";

it.each([
  "text/html",
  "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
  "Text/HTML, application/json;q=0.9",
  "text/*, application/json; q=0.1",
  "application/json;q=0, text/html;q=0.1",
])("%s gets the page", (accept) => expect(prefersHtml(accept)).toBe(true));

it.each([
  undefined,
  "",
  "*/*",
  "application/json",
  "application/json, text/html",
  "text/html;q=0.5, application/json",
  "text/html;q=0",
  "text/html;q=x",
  "image/png",
  ",;,",
])("%s gets JSON", (accept) => expect(prefersHtml(accept)).toBe(false));

it("JSON is preferred only by callers that name it", () => {
  expect(prefersJson("application/json")).toBe(true);
  expect(prefersJson("text/html;q=0.5, application/json")).toBe(true);
  for (const accept of [undefined, "*/*", "text/html", "application/json, text/html"])
    expect(prefersJson(accept), accept).toBe(false);
});
