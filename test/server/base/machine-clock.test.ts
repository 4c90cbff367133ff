import { nodeClock } from "../../../server/base/node-clock.ts";
import { clockContract } from "../../contract/clock.ts";

clockContract("the machine's", () => ({ clock: nodeClock, pass: (_ms, reached) => reached }));
