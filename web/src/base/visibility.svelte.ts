import { createSubscriber } from "svelte/reactivity";

/** Whether the person can see the page. */
class Visibility {
  readonly #subscribe = createSubscriber((update) => {
    document.addEventListener("visibilitychange", update);
    return () => document.removeEventListener("visibilitychange", update);
  });

  get visible(): boolean {
    this.#subscribe();
    return document.visibilityState === "visible";
  }
}

export const visibility = new Visibility();
