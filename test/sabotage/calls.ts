import type { Sabotage } from "./sabotage.ts";

/** Of calls that are answered before they are requests of Node's. */
export const sabotagesOfCalls: readonly Sabotage[] = [
  {
    what: "what comes behind a short call is thrown away",
    file: "server/http/fast-request.ts",
    find: "return body.length === head.bodyBytes ? { head, body } : undefined;",
    replace: "return { head, body: body.subarray(0, head.bodyBytes) };",
    test: "test/server/http/fast-request.test.ts",
    name: "is not more than one request",
  },
  {
    what: "of two lengths of a request the last counts",
    file: "server/http/fast-request.ts",
    find: "Object.hasOwn(headers, name) ||",
    replace: "",
    test: "test/server/http/fast-request.test.ts",
    name: "is not two lengths",
  },
  {
    what: "a call that failed before it was a request is made again as one",
    file: "server/http/adapter.ts",
    find: "    attempts.set(origin.origin, attempt);\n",
    replace: "",
    test: "test/server/http/fast-path.test.ts",
    name: "told as ever, once",
  },
  {
    what: "a connection's next call has the outcome of the one before",
    file: "server/http/adapter.ts",
    find: "  attempts.delete(origin);\n",
    replace: "",
    test: "test/server/http/fast-path.test.ts",
    name: "told as ever, once",
  },
  {
    what: "a page that may not change anything makes a short call",
    file: "server/http/request-handler.ts",
    find: "if (!cors.admit(head, response, route.changesSomething)) return undefined;",
    replace: "cors.admit(head, response, route.changesSomething);",
    test: "test/server/http/fast-path.test.ts",
    name: "from a page that may not: refused, and not made",
  },
  {
    what: "a call leaves a table behind for the great collection",
    file: "server/tracker/turns.ts",
    find: "    this.#recent.set(swarm,",
    replace: "    this.#recent.delete(swarm);\n    this.#recent.set(swarm,",
    test: "test/server/tracker/left-behind.test.ts",
    name: "a call over connect leaves next to nothing for the great collection",
  },
];
