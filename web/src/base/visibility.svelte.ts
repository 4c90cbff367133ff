import { createSubscriber } from "svelte/reactivity";

/** Whether the tab is in the foreground. */
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
