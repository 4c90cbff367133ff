import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { Devtools, DevtoolsSession } from "./devtools.ts";

const LOAD_TIMEOUT_MS = 60_000;
const POLL_MS = 20;

/** One tab of a QuietBrowser. */
export class QuietTab {
  readonly #devtools: Devtools;
  readonly #session: DevtoolsSession;
  readonly #targetId: string;
  readonly #downloads: string;
  readonly #workers = new Map<string, DevtoolsSession>();
  #unlisten = () => {};

  /** `downloads`: where the browser puts what is saved. */
  constructor(devtools: Devtools, session: DevtoolsSession, targetId: string, downloads: string) {
    this.#devtools = devtools;
    this.#session = session;
    this.#targetId = targetId;
    this.#downloads = downloads;
  }

  /** Resolves when the page has loaded. */
  async start(): Promise<void> {
    this.#unlisten = this.#devtools.listen((method, { sessionId, targetInfo }) => {
      if (method === "Target.attachedToTarget" && targetInfo.type === "worker")
        this.#workers.set(sessionId, this.#devtools.session(sessionId));
      if (method === "Target.detachedFromTarget") this.#workers.delete(sessionId);
    });
    const auto = { autoAttach: true, waitForDebuggerOnStart: false, flatten: true };
    await this.#session.send("Target.setAutoAttach", auto);
    const limit = AbortSignal.timeout(LOAD_TIMEOUT_MS);
    // At the very first there is nothing yet that could say.
    const state = () => this.evaluate(() => document.readyState, undefined).catch(() => "none");
    while ((await state()) !== "complete") {
      limit.throwIfAborted();
      await setTimeout(POLL_MS);
    }
  }

  /** Runs in the page, and so sees nothing from outside itself. Takes and gives what JSON can say. */
  async evaluate<Given, Result>(
    run: (given: Given) => Result | Promise<Result>,
    given: Given,
  ): Promise<Result> {
    const { result, exceptionDetails } = await this.#session.send("Runtime.evaluate", {
      expression: `(${run})(${JSON.stringify(given)})`,
      awaitPromise: true,
      returnByValue: true,
      userGesture: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Has the page save something through the browser; returns where it is. */
  async saved(save: () => Promise<void>): Promise<string> {
    const done = Promise.withResolvers<string>();
    const unlisten = this.#devtools.listen((method, { guid, state }) => {
      if (method !== "Browser.downloadProgress") return;
      if (state === "completed") done.resolve(join(this.#downloads, guid));
      if (state === "canceled") done.reject(new Error("the browser did not save the file"));
    });
    try {
      await save();
      return await done.promise;
    } finally {
      unlisten();
    }
  }

  /** Lets the page's origin store so many bytes. */
  async allowStorage(quotaSize: number): Promise<void> {
    const origin = await this.evaluate(() => location.origin, undefined);
    await this.#session.send("Storage.overrideQuotaForOrigin", { origin, quotaSize });
  }

  /** What page and workers have for JavaScript: objects, garbage among them, and array buffers. */
  async heapBytes(): Promise<number> {
    let bytes = 0;
    for (const session of [this.#session, ...this.#workers.values()]) {
      // A worker that has just ended has none.
      const usage = await session.send("Runtime.getHeapUsage").catch(() => undefined);
      bytes += (usage?.usedSize ?? 0) + (usage?.backingStorageSize ?? 0);
    }
    return bytes;
  }

  /** From now on, tasks of the page's own thread that keep it from the person are noticed. */
  async watchTasks(): Promise<void> {
    await this.evaluate(() => {
      const tasks: number[] = [];
      const observer = new PerformanceObserver((list) => {
        for (const { duration } of list.getEntries()) tasks.push(duration);
      });
      observer.observe({ type: "longtask" });
      Object.assign(globalThis, { longTasks: tasks });
    }, undefined);
  }

  /** The longest of them, by the clock; 0 where all were under 50 ms. */
  longestTaskMs(): Promise<number> {
    return this.evaluate(() => {
      const { longTasks } = globalThis as unknown as { longTasks: number[] };
      return Math.max(0, ...longTasks);
    }, undefined);
  }

  /** Leaves nothing in the storage of its origin. */
  async close(): Promise<void> {
    const origin = await this.evaluate(() => location.origin, undefined);
    this.#unlisten();
    // Ends its workers, which may hold files.
    await this.#session.send("Page.navigate", { url: "about:blank" });
    await this.#session.send("Storage.clearDataForOrigin", { origin, storageTypes: "all" });
    await this.#devtools.browser.send("Target.closeTarget", { targetId: this.#targetId });
  }
}
