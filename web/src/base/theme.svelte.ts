import { MediaQuery } from "svelte/reactivity";

const dark = new MediaQuery("prefers-color-scheme: dark");
const sharp = new MediaQuery("min-resolution: 1.5dppx");
const sharper = new MediaQuery("min-resolution: 2.5dppx");

/** What the system asks of whoever paints by hand. */
export const theme = {
  get scheme(): "dark" | "light" {
    return dark.current ? "dark" : "light";
  },
  /** Canvas pixels for a CSS pixel. */
  get devicePixels(): number {
    return sharper.current ? 3 : sharp.current ? 2 : 1;
  },
};
