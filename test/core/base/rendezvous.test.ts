import { expect, it } from "vitest";
import { hashOfText, rendezvousScore } from "#core/base/rendezvous.ts";

const names = Array.from({ length: 12 }, (_, n) => `http://127.0.0.1:${50_051 + n}`);

function winner(thing: number, among: readonly string[]): string {
  return among.reduce((best, name) =>
    rendezvousScore(thing, hashOfText(name)) > rendezvousScore(thing, hashOfText(best)) ? name : best,
  );
}

it("gives names that differ in one character equal shares of things that follow each other", () => {
  const seed = hashOfText("1".repeat(64));
  const shares = new Map(names.map((name) => [name, 0]));
  for (let n = 0; n < 12_000; n++) {
    const name = winner(seed + n, names);
    shares.set(name, shares.get(name)! + 1);
  }
  for (const [name, share] of shares) expect(Math.abs(share - 1_000), name).toBeLessThan(150);
});

it("moves only what a name that goes had", () => {
  for (let thing = 0; thing < 1_000; thing++) {
    const before = winner(thing, names);
    const after = winner(thing, names.slice(1));
    if (before !== names[0]) expect(after).toBe(before);
  }
});
