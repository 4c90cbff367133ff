import type { ContentAsk } from "./content-messages.ts";
import type { CallName, Calls, WorkerMessage } from "./messages.ts";
import type { Failure } from "./trouble.ts";

/** A call failed in the worker. `code` is the code of a PiezaError. */
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

/** Messages that the worker sends without a call. */
export type News = Exclude<WorkerMessage, { type: "answer" | "failure" }>;

type Waiting = Omit<PromiseWithResolvers<unknown>, "promise">;

/** Calls the worker and receives its news. */
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

  /** Calls `onNews` with all news of the worker from now on. */
  listen(onNews: (news: News) => void): void {
    this.#listeners.push(onNews);
  }

  /** Asks the worker. Rejects with CallFailed. */
  call<K extends CallName>(call: K, ask: Calls[K]["ask"]): Promise<Calls[K]["answer"]> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as Waiting["resolve"], reject });
      this.#worker.postMessage({ id, call, ask });
    });
  }

  /** Has the worker answer a request for a content URL through `port`. */
  answerContent(ask: ContentAsk, port: MessagePort): void {
    this.#worker.postMessage(ask, [port]);
  }

  #onMessage(message: WorkerMessage): void {
    if (message.type === "answer") this.#settle(message.id)?.resolve(message.answer);
    else if (message.type === "failure") {
      this.#settle(message.id)?.reject(new CallFailed(message.code, message.failure));
    } else for (const onNews of this.#listeners) onNews(message);
  }

  /** Takes the call off the list: each call settles once. */
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
