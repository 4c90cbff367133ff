import { create, type DescField, type DescMessage, type Message, mergeFromBinary } from "@bufbuild/protobuf";
import type { Breathe } from "#core/base/breathe.ts";
import { ValueCount, Wire } from "#core/rpc/message-bounds.ts";

/** Bytes that are decoded at once: at most 16,000 empty messages, which take a few milliseconds. */
const SLICE_BYTES = 32 << 10;
const LENGTH = 2;

/**
 * Decodes a binary message in slices, after its values have been counted. The result is that of the library's
 * fromBinary without unknown fields. Fails as checkValues does.
 */
export async function decodeBinary(
  schema: DescMessage,
  bytes: Uint8Array,
  breathe: Breathe,
): Promise<Message> {
  const count = new ValueCount(schema, bytes);
  while (count.goesOn()) await breathe();
  const message = create(schema);
  await merge(schema, message, bytes, breathe);
  return message;
}

/** A message cut between two fields is two messages, whose merger is the whole. So each slice is merged. */
async function merge(
  schema: DescMessage,
  message: Message,
  bytes: Uint8Array,
  breathe: Breathe,
): Promise<void> {
  const wire = new Wire(bytes);
  let begin = 0;
  const mergeUntil = (end: number) => {
    if (end > begin)
      mergeFromBinary(schema, message, bytes.subarray(begin, end), { readUnknownFields: false });
  };
  while (wire.at < bytes.length) {
    const at = wire.at;
    const { number, wireType } = wire.tag();
    const end = wire.endOf(wireType, bytes.length);
    const value = bytes.subarray(wire.at, end);
    wire.at = end;
    if (value.length > SLICE_BYTES && wireType === LENGTH) {
      const field = schema.fields.find((one) => one.number === number);
      const inner = field && innerMessage(field, message);
      if (inner) {
        mergeUntil(at);
        await merge(inner.schema, inner.message, value, breathe);
        begin = end;
      }
    }
    if (end - begin < SLICE_BYTES) continue;
    mergeUntil(end);
    begin = end;
    await breathe();
  }
  mergeUntil(bytes.length);
}

/** The message that a field's next value is merged into. Undefined if the field has no messages. */
export function innerMessage(
  field: DescField,
  message: Message,
): { schema: DescMessage; message: Message } | undefined {
  const fields = message as unknown as Record<string, unknown>;
  if (field.oneof || !field.message) return undefined;
  if (field.fieldKind === "message") {
    fields[field.localName] ??= create(field.message);
    return { schema: field.message, message: fields[field.localName] as Message };
  }
  if (field.fieldKind !== "list") return undefined;
  const made = create(field.message);
  (fields[field.localName] as Message[]).push(made);
  return { schema: field.message, message: made };
}
