import type { Engine } from "../base/engine.ts";

/** A browser ends a service worker that hears nothing for 30 s, and with it the answers that are being read. */
const KEEP_ALIVE_MS = 15_000;
/** Longest wait for the service worker to take over the page. */
const TAKE_OVER_MS = 10_000;

/** The service worker that answers content URLs of this page's origin. It is started when a file is first shown. */
export class ContentService {
  readonly #engine: Pick<Engine, "answerContent">;
  readonly #register: () => Promise<unknown>;
  #starting: Promise<boolean> | undefined;

  constructor(engine: Pick<Engine, "answerContent">, register: () => Promise<unknown>) {
    this.#engine = engine;
    this.#register = register;
  }

  /**
   * Resolves to true when content URLs of this origin are answered, and to false where the browser has no service
   * workers: on a page by plain http, and in some private windows.
   */
  start(): Promise<boolean> {
    this.#starting ??= this.#start().catch(() => false);
    return this.#starting;
  }

  /** Keeps the service worker alive until the returned function is called. */
  keepAlive(): () => void {
    const stay = () => navigator.serviceWorker?.controller?.postMessage("stay");
    const timer = setInterval(stay, KEEP_ALIVE_MS);
    return () => clearInterval(timer);
  }

  async #start(): Promise<boolean> {
    const { serviceWorker } = navigator;
    if (!serviceWorker) return false;
    serviceWorker.addEventListener("message", ({ data, ports: [port] }) => {
      if (data?.type === "content" && port) this.#engine.answerContent(data, port);
    });
    serviceWorker.startMessages();
    const takenOver = new Promise<boolean>((resolve) => {
      serviceWorker.addEventListener("controllerchange", () => resolve(true), { once: true });
      setTimeout(() => resolve(false), TAKE_OVER_MS);
    });
    await this.#register();
    return serviceWorker.controller !== null || takenOver;
  }
}
