import { expect, it } from "vitest";
import { ExpiryWheel } from "../../../../../server/tracker/store/memory/expiry-wheel.ts";
import { FakeClock } from "../../../../support/fake-clock.ts";

interface Item {
  endsAtMs: number;
}

function wheel() {
  const clock = new FakeClock();
  const expired: Item[] = [];
  let looks = 0;
  const wheel = new ExpiryWheel<Item>(
    clock,
    (item) => {
      looks++;
      return item.endsAtMs;
    },
    (item) => expired.push(item),
  );
  return { clock, expired, wheel, looks: () => looks };
}

it("an item that is renewed all the time is looked at once a lifetime", async () => {
  const { clock, expired, wheel: subject, looks } = wheel();
  const item = { endsAtMs: 30_000 };
  subject.add(item);
  for (let second = 1; second <= 300; second++) {
    item.endsAtMs = second * 1_000 + 30_000;
    await clock.tick(1_000);
  }
  expect(expired).toEqual([]);
  expect(looks()).toBeLessThan(30);
  await clock.tick(31_000);
  expect(expired).toEqual([item]);
  expect(clock.pending).toBe(0);
});

it("a short life among long ones ends in time", async () => {
  const { clock, expired, wheel: subject } = wheel();
  subject.add({ endsAtMs: 3_600_000 });
  await clock.tick(10_500);
  subject.add({ endsAtMs: 12_000 });
  await clock.tick(2_500);
  expect(expired).toEqual([{ endsAtMs: 12_000 }]);
  subject.close();
  expect(clock.pending).toBe(0);
});

it("an item that ended early is dropped without a word", async () => {
  const { clock, expired, wheel: subject } = wheel();
  const item = { endsAtMs: 5_000 };
  subject.add(item);
  item.endsAtMs = -1;
  await clock.tick(10_000);
  expect(expired).toEqual([]);
  expect(clock.pending).toBe(0);
});

it("ten thousand that end together end in slices, others get their turn in between", async () => {
  const { clock, expired, wheel: subject } = wheel();
  for (let n = 0; n < 10_000; n++) subject.add({ endsAtMs: 2_000 });
  await clock.tick(2_000);
  expect(expired.length).toBeGreaterThan(0);
  expect(expired.length).toBeLessThanOrEqual(1_000);
  await clock.tick(1_000);
  expect(expired).toHaveLength(10_000);
  expect(clock.pending).toBe(0);
});
