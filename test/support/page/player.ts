import type { Page } from "playwright-core";

/** The state of the element that plays. */
export function player(page: Page) {
  const media = page.locator("video, audio");
  return {
    media,
    time: () => media.evaluate((element: HTMLMediaElement) => element.currentTime),
    duration: () => media.evaluate((element: HTMLMediaElement) => element.duration),
    seek: (seconds: number) =>
      media.evaluate((element: HTMLMediaElement, to) => {
        element.muted = true;
        element.currentTime = to;
        void element.play();
      }, seconds),
  };
}
