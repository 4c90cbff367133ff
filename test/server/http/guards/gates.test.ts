import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { limits } from "../../../../server/http/base/limits.ts";
import {
  type Call,
  createCall,
  type FrontEnd,
  type Gate,
  passGates,
} from "../../../../server/http/guards/gates.ts";
import { plainPolicy } from "../../../../server/http/guards/policy.ts";

function someCall(): Call {
  const parts = {
    head: { headers: {}, httpVersionMajor: 1, socket: {} },
    path: "/",
    route: { policy: plainPolicy(limits), method: undefined },
    body: Readable.from([]),
    reply: {} as Call["reply"],
    frontEnd: {} as FrontEnd,
  };
  return createCall(parts, () => "");
}

describe("a row of gates", () => {
  const passed: string[] = [];
  const atOnce = (name: string): Gate => {
    return () => void passed.push(name);
  };
  const later = (name: string): Gate => {
    return async () => {
      await Promise.resolve();
      passed.push(name);
    };
  };

  it("is passed in order, at once where no gate waits", () => {
    passed.length = 0;
    expect(passGates([atOnce("a"), atOnce("b")], someCall())).toBeUndefined();
    expect(passed).toEqual(["a", "b"]);
  });

  it("passes the gates behind one that waits, in order", async () => {
    passed.length = 0;
    await passGates([atOnce("a"), later("b"), later("c"), atOnce("d")], someCall());
    expect(passed).toEqual(["a", "b", "c", "d"]);
  });

  it("ends at the first gate that refuses", async () => {
    passed.length = 0;
    const refuse: Gate = () => {
      throw new Error("no");
    };
    expect(() => passGates([refuse, atOnce("b")], someCall())).toThrow("no");
    await expect(passGates([later("a"), refuse, atOnce("b")], someCall())).rejects.toThrow("no");
    expect(passed).toEqual(["a"]);
  });
});
