import { expectNoLeaks, held } from "./leaks.ts";

/**
 * For tests in Node. Where each test starts all that it needs, what it left is asked after each; where one server or one
 * swarm of processes is for all tests of a file, after the last.
 */
expectNoLeaks(held, /\/test\/(core|faults|simulation|server\/(peer|tracker))\//);
