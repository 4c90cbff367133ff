/**
 * As much of a browser's XMLHttpRequest as grpc-web's client needs to run in Node: one request with a body of bytes, and
 * an answer that is told whole.
 */
export class XmlHttpRequest {
  static readonly DONE = 4;
  readyState = 0;
  status = 0;
  statusText = "";
  response: ArrayBuffer | undefined;
  readonly responseText = "";
  responseType = "";
  timeout = 0;
  withCredentials = false;
  onreadystatechange: (() => void) | undefined;
  readonly #abort = new AbortController();
  readonly #headers = new Headers();
  #answered = new Headers();
  #method = "";
  #url = "";

  open(method: string, url: string): void {
    [this.#method, this.#url] = [method, url];
    this.#move(1);
  }

  setRequestHeader(name: string, value: string): void {
    this.#headers.set(name, value);
  }

  send(body: Uint8Array<ArrayBuffer>): void {
    void this.#send(body);
  }

  abort(): void {
    this.#abort.abort();
  }

  getResponseHeader(name: string): string | null {
    return this.#answered.get(name);
  }

  getAllResponseHeaders(): string {
    return [...this.#answered].map(([name, value]) => `${name}: ${value}\r\n`).join("");
  }

  async #send(body: Uint8Array<ArrayBuffer>): Promise<void> {
    const { signal } = this.#abort;
    try {
      const init = { method: this.#method, headers: this.#headers, body, signal };
      const answer = await fetch(this.#url, init);
      this.#answered = answer.headers;
      this.response = await answer.arrayBuffer();
      [this.status, this.statusText] = [answer.status, answer.statusText];
    } catch {
      this.status = 0;
    }
    if (!signal.aborted) for (const state of [2, 3, 4]) this.#move(state);
  }

  #move(state: number): void {
    this.readyState = state;
    this.onreadystatechange?.();
  }
}
