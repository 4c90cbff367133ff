import { browserClock } from "../../web/src/worker/browser-clock.ts";
import { clockContract } from "../contract/clock.ts";

clockContract("the browser's", () => ({ clock: browserClock, pass: (_ms, reached) => reached }));
