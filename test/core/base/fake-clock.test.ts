import { clockContract } from "../../contract/clock.ts";
import { FakeClock } from "../../support/fake-clock.ts";

clockContract("moved by hand", () => {
  const clock = new FakeClock();
  return { clock, pass: (ms, reached) => Promise.all([clock.tick(ms), reached]) };
});
