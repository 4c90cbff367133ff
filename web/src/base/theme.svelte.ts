import { MediaQuery } from "svelte/reactivity";

const dark = new MediaQuery("prefers-color-scheme: dark");
const sharp = new MediaQuery("min-resolution: 1.5dppx");
const sharper = new MediaQuery("min-resolution: 2.5dppx");

/** Colour scheme and pixel density, for components that paint on a canvas. */
export const theme = {
  get scheme(): "dark" | "light" {
    return dark.current ? "dark" : "light";
  },
  /** Canvas pixels for each CSS pixel: 1, 2 or 3. */
  get devicePixels(): number {
    return sharper.current ? 3 : sharp.current ? 2 : 1;
  },
};
