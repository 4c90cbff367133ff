import type { DescMessage, DescService } from "@bufbuild/protobuf";
import { CatalogService } from "../../gen/pieza/v1/catalog_pb.ts";
import { PeerService } from "../../gen/pieza/v1/peer_pb.ts";
import { TrackerService } from "../../gen/pieza/v1/tracker_pb.ts";
import {
  PeerService as LegacyPeerService,
  TrackerService as LegacyTrackerService,
} from "../../gen/tracker_pb.ts";
import { joinBytes } from "../base/bytes.ts";
import { AnswerTooLong } from "./errors.ts";
import { checkValues } from "./message-bounds.ts";
import { FRAME_HEAD_BYTES, readFrameHead } from "./wire.ts";

const services: readonly DescService[] = [
  CatalogService,
  TrackerService,
  PeerService,
  LegacyTrackerService,
  LegacyPeerService,
];

/** The messages of answers, by the path of their method; without those that hold no other messages. */
const answers: ReadonlyMap<string, DescMessage> = new Map(
  services.flatMap((service) =>
    service.methods
      .filter(({ output }) => output.fields.some(({ message }) => message))
      .map(({ name, output }) => [`/${service.typeName}/${name}`, output] as const),
  ),
);

/** An answer as it begins to arrive. */
export interface BegunAnswer {
  /** The URL that was asked. */
  readonly url: string;
  readonly status: number;
  readonly contentType: string | null;
  /** The most bytes of a message that its reader takes. A longer one is passed on unchecked, for the reader to refuse. */
  readonly limitBytes: number;
}

/**
 * Passes on the body of an answer message by message, after the values of each have been counted: a message of a few
 * MiB can become a thousand MiB of objects. Undefined for an answer that cannot. The body fails with AnswerTooLong.
 */
export function checkedBody(
  { url, status, contentType, limitBytes }: BegunAnswer,
  body: AsyncIterable<Uint8Array>,
): AsyncIterable<Uint8Array> | undefined {
  const schema = answers.get(new URL(url).pathname);
  if (!schema || status !== 200) return undefined;
  const isFramed = /^application\/(grpc|connect\+)/.test(contentType ?? "");
  return isFramed ? checkedFrames(schema, body, limitBytes) : checkedWhole(schema, body, limitBytes);
}

async function* checkedWhole(
  schema: DescMessage,
  body: AsyncIterable<Uint8Array>,
  limitBytes: number,
): AsyncGenerator<Uint8Array> {
  let chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    length += chunk.length;
    if (length <= limitBytes) continue;
    yield* chunks;
    chunks = [];
  }
  if (length > limitBytes) return yield* chunks;
  const whole = joinBytes(chunks);
  check(schema, whole);
  yield whole;
}

async function* checkedFrames(
  schema: DescMessage,
  body: AsyncIterable<Uint8Array>,
  limitBytes: number,
): AsyncGenerator<Uint8Array> {
  const chunks = new Chunks();
  let needed = FRAME_HEAD_BYTES;
  for await (const chunk of body) {
    chunks.add(chunk);
    while (chunks.length >= needed) {
      const bytes = chunks.whole();
      const { flags, length } = readFrameHead(bytes);
      const end = FRAME_HEAD_BYTES + length;
      if (length > limitBytes) {
        yield chunks.take(chunks.length);
        break;
      }
      needed = end;
      if (bytes.length < end) break;
      // Any flag but that of compression, which we never accept, marks the trailers.
      if (flags === 0) check(schema, bytes.subarray(FRAME_HEAD_BYTES, end));
      yield chunks.take(end);
      needed = FRAME_HEAD_BYTES;
    }
  }
  if (chunks.length > 0) yield chunks.take(chunks.length);
}

/** Bytes that have arrived and are not passed on yet. */
class Chunks {
  length = 0;
  #chunks: Uint8Array[] = [];

  add(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.length += chunk.length;
  }

  /** All of them, joined. */
  whole(): Uint8Array {
    if (this.#chunks.length > 1) this.#chunks = [joinBytes(this.#chunks)];
    return this.#chunks[0]!;
  }

  /** Removes and returns the first `length` bytes. */
  take(length: number): Uint8Array {
    const whole = this.whole();
    this.#chunks = length < whole.length ? [whole.subarray(length)] : [];
    this.length -= length;
    return whole.subarray(0, length);
  }
}

function check(schema: DescMessage, message: Uint8Array): void {
  try {
    checkValues(schema, message);
  } catch (cause) {
    throw new AnswerTooLong({ cause });
  }
}
