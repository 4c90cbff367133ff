import { parse } from "svelte/compiler";
import { describe, expect, it } from "vitest";
import { en } from "../web/src/base/en.ts";
import { es } from "../web/src/base/es.ts";
import { readSources } from "./support/source-tree.ts";

/** Words that are the same in Spanish, or no words. */
const same = new Set([
  ...["Catalog", "Error", "Info hash", "Swarm", "Token", "1 torrent", "A torrents"],
  ...["A – B", "volunteer"],
]);

/** Names of ours, commands, and addresses that show a form. */
const literals = /^(Pieza|pieza seed|--catalog|https:\/\/…\/files\/name\.json|https:\/\/tracker\.example)$/;
/** Attributes that are read out or shown. */
const spoken = new Set([
  "alt",
  "aria-label",
  "aria-description",
  "aria-valuetext",
  "label",
  "placeholder",
  "title",
]);

describe("the page's words", () => {
  const english = flat(en);
  const spanish = flat(es);

  it("are there in both languages, each with what it is filled with", () => {
    const troubles = /^troubles\./;
    const keys = (words: Map<string, string>) =>
      [...words.keys()].filter((key) => !troubles.test(key)).sort();
    expect(keys(spanish)).toEqual(keys(english));
    for (const [key, text] of english) {
      const letters = (words = "") => [...new Set(words.match(/⟨\d⟩/g))].sort();
      expect(letters(spanish.get(key)), key).toEqual(letters(text));
    }
  });

  it("are not English on the Spanish page", () => {
    for (const [key, text] of english) {
      expect(spanish.get(key), key).toMatch(/\S/);
      if (!same.has(text.replaceAll(/⟨\d⟩/g, "A"))) expect(spanish.get(key), key).not.toBe(text);
    }
  });

  it("are all in the dictionaries: no template has any of its own", () => {
    const found: string[] = [];
    const sources = readSources("web/src/**/*.svelte");
    expect(sources.size).toBeGreaterThan(20);
    for (const [path, source] of sources) {
      const { fragment } = parse(source, { modern: true });
      walk(fragment, "content", (text) => found.push(`${path}: ${text}`));
    }
    expect(found).toEqual([]);
  });
});

/** Every text by its path; of a function, what it gives for markers, with and without its plural. */
function flat(words: object, path = ""): Map<string, string> {
  const texts = new Map<string, string>();
  for (const [key, value] of Object.entries(words)) {
    const at = path ? `${path}.${key}` : key;
    if (typeof value === "string") texts.set(at, value);
    else if (typeof value === "function") {
      texts.set(at, value("⟨0⟩", "⟨1⟩", false));
      texts.set(`${at} (one)`, value("⟨0⟩", true, true));
    } else if (value) for (const [below, text] of flat(value, at)) texts.set(below, text);
  }
  return texts;
}

/** Where a part of a template is: what is shown or spoken, an expression in it, or what nobody reads. */
type Place = "content" | "expression" | "unread";

/** Calls `onText` for whatever a template says by itself. */
function walk(node: unknown, place: Place, onText: (text: string) => void): void {
  if (Array.isArray(node)) for (const each of node) walk(each, place, onText);
  if (typeof node !== "object" || node === null || Array.isArray(node)) return;
  const { type, data, value } = node as Record<string, unknown>;
  const text = type === "Text" && place === "content" ? data : undefined;
  const literal = type === "Literal" && place === "expression" ? value : undefined;
  for (const said of [text, literal])
    if (typeof said === "string" && /\p{L}/u.test(said) && !literals.test(said.trim())) onText(said.trim());
  const next = placeBelow(node as Record<string, unknown>, place);
  for (const [key, child] of Object.entries(node)) {
    // What a block turns upon is no text.
    const read = key === "test" || key === "expression" ? (type === "ExpressionTag" ? next : "unread") : next;
    walk(child, read, onText);
  }
}

function placeBelow({ type, name }: Record<string, unknown>, place: Place): Place {
  if (type === "Attribute") return spoken.has(String(name)) ? "content" : "unread";
  if (typeof type === "string" && /Directive$/.test(type)) return "unread";
  if (type === "ExpressionTag") return place === "content" ? "expression" : "unread";
  // Compared, called with or looked up: not said.
  if (type === "BinaryExpression" || type === "CallExpression" || type === "MemberExpression")
    return "unread";
  return place;
}
