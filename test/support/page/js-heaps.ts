import type { CDPSession, Page } from "playwright-core";

/** What a page and its workers hold for JavaScript, in bytes. */
export interface JsHeapBytes {
  /** Objects, garbage that is not collected yet among them. */
  readonly objects: number;
  /** Memory behind array buffers. */
  readonly buffers: number;
}

interface HeapUsage {
  readonly usedSize: number;
  readonly backingStorageSize?: number;
}

/** Asks V8 for the heaps of a page and of the workers that it starts from now on, and of those that it has. */
export class JsHeaps {
  readonly #page: CDPSession;
  readonly #workers = new Set<string>();
  readonly #waiting = new Map<number, (usage: HeapUsage | undefined) => void>();
  #lastId = 0;

  private constructor(page: CDPSession) {
    this.#page = page;
    page.on("Target.attachedToTarget", ({ sessionId, targetInfo }) => {
      if (targetInfo.type === "worker") this.#workers.add(sessionId);
    });
    page.on("Target.detachedFromTarget", ({ sessionId }) => this.#workers.delete(sessionId));
    page.on("Target.receivedMessageFromTarget", ({ message }) => {
      const { id, result } = JSON.parse(message) as { id: number; result?: HeapUsage };
      this.#waiting.get(id)?.(result);
      this.#waiting.delete(id);
    });
  }

  static async of(page: Page): Promise<JsHeaps> {
    const session = await page.context().newCDPSession(page);
    const heaps = new JsHeaps(session);
    await session.send("Target.setAutoAttach", {
      autoAttach: true,
      waitForDebuggerOnStart: false,
      flatten: false,
    });
    return heaps;
  }

  /** The workers that it knows of. */
  get workers(): number {
    return this.#workers.size;
  }

  async bytes(): Promise<JsHeapBytes> {
    const usages: (HeapUsage | undefined)[] = [await this.#page.send("Runtime.getHeapUsage")];
    for (const worker of this.#workers) usages.push(await this.#ofWorker(worker));
    const sum = (of: (usage: HeapUsage) => number | undefined) =>
      usages.reduce((total, usage) => total + ((usage && of(usage)) ?? 0), 0);
    return { objects: sum((usage) => usage.usedSize), buffers: sum((usage) => usage.backingStorageSize) };
  }

  /** Nothing for one that has just ended. */
  async #ofWorker(sessionId: string): Promise<HeapUsage | undefined> {
    const id = ++this.#lastId;
    const answer = new Promise<HeapUsage | undefined>((resolve) => this.#waiting.set(id, resolve));
    const message = JSON.stringify({ id, method: "Runtime.getHeapUsage" });
    try {
      await this.#page.send("Target.sendMessageToTarget", { sessionId, message });
    } catch {
      this.#waiting.delete(id);
      return undefined;
    }
    return answer;
  }
}
