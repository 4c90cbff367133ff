import { expect, it } from "vitest";
import { FairSlots } from "../../../../server/tracker/announce/fair-slots.ts";

const never = new AbortController().signal;

/** Tasks that note when they begin, and end when they are told. */
function tasks(slots: FairSlots) {
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const run = (name: string, signal = never) =>
    slots.run(name[0]!, signal, () => {
      begun.push(name);
      return new Promise<void>((resolve) => ends.set(name, resolve));
    });
  const end = async (name: string) => {
    ends.get(name)!();
    await new Promise(setImmediate);
  };
  return { begun, run, end };
}

it("so many at once, and those who wait take turns by source", async () => {
  const { begun, run, end } = tasks(new FairSlots(2));
  const all = ["a1", "a2", "a3", "a4", "b1", "b2", "c1"].map((name) => run(name));
  expect(begun).toEqual(["a1", "a2"]);
  for (const name of ["a1", "a2", "a3", "b1", "c1", "a4", "b2"]) await end(name);
  expect(begun).toEqual(["a1", "a2", "a3", "b1", "c1", "a4", "b2"]);
  await Promise.all(all);
});

it("a task that fails gives its slot back, one that was given up takes none", async () => {
  const slots = new FairSlots(1);
  await expect(slots.run("a", never, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  const { begun, run, end } = tasks(slots);
  const first = run("a1");
  const impatient = new AbortController();
  const gone = run("b1", impatient.signal);
  const last = run("c1");
  impatient.abort(new Error("enough"));
  await expect(gone).rejects.toThrow("enough");
  await end("a1");
  expect(begun).toEqual(["a1", "c1"]);
  await end("c1");
  await Promise.all([first, last]);
  await expect(run("d1", AbortSignal.abort(new Error("late")))).rejects.toThrow("late");
});
