/** What comes back, by the names that the protocol gives it. */
// biome-ignore lint/suspicious/noExplicitAny: the protocol's hundreds of shapes are not ours to write down.
type Answer = any;

/** Called with what the browser says unasked. */
export type OnEvent = (method: string, params: Answer, sessionId: string | undefined) => void;

/** The browser itself, a tab or a worker, as far as commands go. */
export interface DevtoolsSession {
  readonly send: (method: string, params?: object) => Promise<Answer>;
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Answer;
  readonly sessionId?: string;
  readonly result?: Answer;
  readonly error?: { readonly message: string };
}

/** Chromium's own protocol over its socket. Enables nothing that is not asked for. */
export class Devtools {
  readonly browser: DevtoolsSession = this.session(undefined);
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, { resolve(answer: Answer): void; reject(error: Error): void }>();
  readonly #listeners = new Set<OnEvent>();
  #lastId = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => this.#onMessage(JSON.parse(data)));
    socket.addEventListener("close", () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("the browser is gone"));
      this.#waiting.clear();
    });
  }

  static async connect(url: string): Promise<Devtools> {
    const socket = new WebSocket(url);
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve);
      socket.addEventListener("error", () => reject(new Error(`${url} cannot be reached`)));
    });
    return new Devtools(socket);
  }

  session(sessionId: string | undefined): DevtoolsSession {
    return {
      send: (method, params = {}) => {
        const id = ++this.#lastId;
        this.#socket.send(JSON.stringify({ id, method, params, sessionId }));
        return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
      },
    };
  }

  /** Returns what ends that. */
  listen(onEvent: OnEvent): () => void {
    this.#listeners.add(onEvent);
    return () => this.#listeners.delete(onEvent);
  }

  close(): void {
    this.#socket.close();
  }

  #onMessage({ id, method, params, sessionId, result, error }: Message): void {
    if (method !== undefined) for (const listener of this.#listeners) listener(method, params, sessionId);
    if (id === undefined) return;
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error) waiting?.reject(new Error(error.message));
    else waiting?.resolve(result);
  }
}
