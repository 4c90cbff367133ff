import type { CallName, Calls, WorkerMessage } from "./messages.ts";
import type { Failure } from "./trouble.ts";

/** A call failed in the worker; `code` is a PiezaError's. */
export class CallFailed extends Error {
  readonly code: string;
  readonly trouble: Failure["trouble"];

  constructor(code: string, { trouble, text }: Failure) {
    super(text);
    this.name = "CallFailed";
    this.code = code;
    this.trouble = trouble;
  }
}

/** What the worker says unasked. */
export type News = Exclude<WorkerMessage, { type: "answer" | "failure" }>;

interface Waiting {
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

/** The page's end of the worker. */
export class Engine {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #listeners: ((news: News) => void)[] = [];
  #lastId = 0;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.addEventListener("message", (event: MessageEvent<WorkerMessage>) => this.#onMessage(event.data));
    worker.addEventListener("error", (event) =>
      this.#fail(event.message || "the worker could not be started"),
    );
  }

  /** Calls `onNews` with everything that the worker says unasked, from now on. */
  listen(onNews: (news: News) => void): void {
    this.#listeners.push(onNews);
  }

  /** Fails with CallFailed. */
  call<K extends CallName>(call: K, ask: Calls[K]["ask"]): Promise<Calls[K]["answer"]> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as Waiting["resolve"], reject });
      this.#worker.postMessage({ id, call, ask });
    });
  }

  #onMessage(message: WorkerMessage): void {
    if (message.type === "answer") this.#settle(message.id)?.resolve(message.answer);
    else if (message.type === "failure") {
      this.#settle(message.id)?.reject(new CallFailed(message.code, message.failure));
    } else for (const onNews of this.#listeners) onNews(message);
  }

  /** Each call settles once. */
  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }

  #fail(message: string): void {
    const failure = { trouble: undefined, text: message };
    for (const { reject } of this.#waiting.values()) reject(new CallFailed("internal", failure));
    this.#waiting.clear();
  }
}
