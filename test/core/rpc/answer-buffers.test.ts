import { describe, expect, it } from "vitest";
import { AnswerBuffers } from "#core/rpc/answer-buffers.ts";

const MiB = 1 << 20;

describe("memory for answers", () => {
  it("is used again for one of the same length, and for no other", () => {
    const buffers = new AnswerBuffers();
    const first = buffers.take(MiB);
    buffers.give(first);
    expect(buffers.take(MiB + 1).byteLength).toBe(MiB + 1);
    expect(buffers.take(MiB)).toBe(first);
  });

  it("is never lent to two at a time", () => {
    const buffers = new AnswerBuffers();
    buffers.give(buffers.take(MiB));
    expect(buffers.take(MiB)).not.toBe(buffers.take(MiB));
  });

  it("that nobody uses is at most 8 MiB, and what came last stays", () => {
    const buffers = new AnswerBuffers();
    const taken = Array.from({ length: 10 }, () => buffers.take(MiB));
    for (const buffer of taken) buffers.give(buffer);
    const again = Array.from({ length: 10 }, () => buffers.take(MiB));
    expect(again.filter((buffer) => taken.includes(buffer))).toEqual(taken.slice(2).reverse());
  });

  it("for one answer alone longer than that is not kept, and drives nothing else out", () => {
    const buffers = new AnswerBuffers();
    const [small, large] = [buffers.take(MiB), buffers.take(16 * MiB)];
    buffers.give(small);
    buffers.give(large);
    expect(buffers.take(16 * MiB)).not.toBe(large);
    expect(buffers.take(MiB)).toBe(small);
  });
});
