import { create, type DescMessage, type Message, mergeFromJsonString } from "@bufbuild/protobuf";
import type { Breathe } from "#core/base/breathe.ts";
import { PiezaError } from "#core/base/errors.ts";
import { mostValues, tooManyValues } from "#core/rpc/message-bounds.ts";
import { innerMessage } from "./sliced-binary.ts";

/** Bytes of JSON that are decoded at once. */
const SLICE_BYTES = 32 << 10;
/** Bytes that are scanned between two looks at the time. */
const SCAN_BYTES = 256 << 10;
/** No message of ours nests deeper. */
const MAX_DEPTH = 32;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/**
 * Decodes a message from long JSON in slices, after its values have been counted. The result is that of the library's
 * fromJson with unknown fields ignored. Fails with PiezaError: resource_exhausted (too many values) or
 * invalid_argument.
 */
export async function decodeJson(schema: DescMessage, bytes: Uint8Array, breathe: Breathe): Promise<Message> {
  const cutter = new JsonCutter(bytes, breathe);
  await cutter.count(mostValues(schema));
  const message = create(schema);
  cutter.checkEnd(await cutter.merge(schema, message, 0));
  return message;
}

/** Cuts JSON text, in UTF-8, into parts that are JSON too. What is malformed inside a part is found by its parser. */
class JsonCutter {
  readonly #bytes: Uint8Array;
  readonly #breathe: Breathe;

  constructor(bytes: Uint8Array, breathe: Breathe) {
    this.#bytes = bytes;
    this.#breathe = breathe;
  }

  /** Counts the values in all of the text: one for the text, one behind each bracket that opens, comma and colon. */
  async count(most: number): Promise<void> {
    const bytes = this.#bytes;
    let left = most;
    let depth = 0;
    let breathAt = SCAN_BYTES;
    for (let at = 0; at < bytes.length; at++) {
      if (at > breathAt) {
        breathAt = at + SCAN_BYTES;
        await this.#breathe();
      }
      const byte = bytes[at]!;
      if (byte === QUOTE) at = this.#stringEnd(at) - 1;
      else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) depth--;
      else if (byte === COMMA || byte === COLON) left--;
      else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
        left--;
        if (++depth > MAX_DEPTH) throw notJson();
      }
      if (left < 0) throw tooManyValues();
    }
    if (depth !== 0) throw notJson();
  }

  /** Throws unless only white space follows. */
  checkEnd(at: number): void {
    if (this.#skipSpace(at) < this.#bytes.length) throw notJson();
  }

  /** Merges the object at `from` into a message. Returns its end. */
  async merge(schema: DescMessage, message: Message, from: number): Promise<number> {
    let at = this.#skipSpace(from);
    if (this.#bytes[at] !== OPEN_OBJECT) throw notJson();
    const parts = new Parts((text) => mergeJson(schema, message, `{${text}}`));
    at = this.#skipSpace(at + 1);
    while (this.#bytes[at] !== CLOSE_OBJECT) {
      const keyEnd = this.#stringEnd(at);
      const key = this.#text(at, keyEnd);
      const colon = this.#skipSpace(keyEnd);
      if (this.#bytes[colon] !== COLON) throw notJson();
      const value = this.#skipSpace(colon + 1);
      const end = await this.#valueEnd(value);
      if (end - value > SLICE_BYTES) {
        parts.flush();
        await this.#mergeLong(schema, message, key, value, end);
      } else {
        await parts.add(`${key}:${this.#text(value, end)}`, this.#breathe);
      }
      at = this.#next(end, CLOSE_OBJECT);
    }
    parts.flush();
    return at + 1;
  }

  async #mergeLong(
    schema: DescMessage,
    message: Message,
    key: string,
    from: number,
    end: number,
  ): Promise<void> {
    const name = parseText(key);
    const field = schema.fields.find((one) => one.jsonName === name || one.name === name);
    if (!field) return;
    const first = this.#bytes[from];
    if (field.fieldKind === "message" && first === OPEN_OBJECT) {
      const inner = innerMessage(field, message);
      if (!inner) throw wrongType(name);
      await this.merge(inner.schema, inner.message, from);
      return;
    }
    const mergeValue = (text: string) => mergeJson(schema, message, `{${key}:${text}}`);
    if (!isBracket(first)) return mergeValue(this.#text(from, end));
    if (field.fieldKind !== "list" || first !== OPEN_LIST) throw wrongType(name);
    const parts = new Parts((text) => mergeValue(`[${text}]`));
    let at = this.#skipSpace(from + 1);
    while (this.#bytes[at] !== CLOSE_LIST) {
      const valueEnd = await this.#valueEnd(at);
      if (valueEnd - at > SLICE_BYTES && isBracket(this.#bytes[at])) {
        parts.flush();
        const made = innerMessage(field, message);
        if (!made) throw wrongType(name);
        await this.merge(made.schema, made.message, at);
      } else {
        await parts.add(this.#text(at, valueEnd), this.#breathe);
      }
      at = this.#next(valueEnd, CLOSE_LIST);
    }
    parts.flush();
  }

  /** The place behind the comma at `at`, or of the bracket that closes. */
  #next(at: number, close: number): number {
    const found = this.#skipSpace(at);
    if (this.#bytes[found] === close) return found;
    if (this.#bytes[found] !== COMMA) throw notJson();
    const next = this.#skipSpace(found + 1);
    if (this.#bytes[next] === close) throw notJson();
    return next;
  }

  /** The end of the value at `from`: where its brackets are closed, or where a comma or a bracket follows. */
  async #valueEnd(from: number): Promise<number> {
    const bytes = this.#bytes;
    let depth = 0;
    let breathAt = from + SCAN_BYTES;
    for (let at = from; at < bytes.length; at++) {
      if (at > breathAt) {
        breathAt = at + SCAN_BYTES;
        await this.#breathe();
      }
      const byte = bytes[at]!;
      if (byte === QUOTE) {
        at = this.#stringEnd(at) - 1;
      } else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
        depth++;
      } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) {
        if (depth === 0) return at;
        depth--;
      } else if (byte === COMMA && depth === 0) {
        return at;
      } else {
        continue;
      }
      if (depth === 0) return at + 1;
    }
    throw notJson();
  }

  /** The place behind the string that begins at `at`. */
  #stringEnd(at: number): number {
    if (this.#bytes[at] !== QUOTE) throw notJson();
    for (let end = at; ; ) {
      end = this.#bytes.indexOf(QUOTE, end + 1);
      if (end < 0) throw notJson();
      let backslashes = 0;
      while (this.#bytes[end - 1 - backslashes] === BACKSLASH) backslashes++;
      if (backslashes % 2 === 0) return end + 1;
    }
  }

  #skipSpace(from: number): number {
    let at = from;
    for (let byte = this.#bytes[at]; byte === 0x20 || (byte! >= 0x09 && byte! <= 0x0d); )
      byte = this.#bytes[++at];
    return at;
  }

  #text(from: number, end: number): string {
    return Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + from, end - from).toString("utf8");
  }
}

/** Members of an object or entries of a list, which are merged together once they are long enough. */
class Parts {
  readonly #merge: (text: string) => void;
  #texts: string[] = [];
  #length = 0;

  constructor(merge: (text: string) => void) {
    this.#merge = merge;
  }

  async add(text: string, breathe: Breathe): Promise<void> {
    this.#texts.push(text);
    this.#length += text.length;
    if (this.#length < SLICE_BYTES) return;
    this.flush();
    await breathe();
  }

  flush(): void {
    if (this.#texts.length > 0) this.#merge(this.#texts.join(","));
    this.#texts = [];
    this.#length = 0;
  }
}

function mergeJson(schema: DescMessage, message: Message, text: string): void {
  try {
    mergeFromJsonString(schema, message, text, { ignoreUnknownFields: true });
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : "it is malformed";
    throw new PiezaError("invalid_argument", `cannot decode the message from JSON: ${problem}`, { cause });
  }
}

function isBracket(byte: number | undefined): boolean {
  return byte === OPEN_LIST || byte === OPEN_OBJECT;
}

function wrongType(name: string): PiezaError {
  return new PiezaError(
    "invalid_argument",
    `cannot decode the message from JSON: ${name} has the wrong type`,
  );
}

function parseText(json: string): string {
  try {
    return JSON.parse(json) as string;
  } catch {
    throw notJson();
  }
}

function notJson(): PiezaError {
  return new PiezaError("invalid_argument", "the body is not JSON");
}
