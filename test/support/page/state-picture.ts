import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import AxeBuilder from "@axe-core/playwright";
import type { Page } from "playwright-core";
import { pictures } from "./pictures.ts";

type Look = readonly [width: number, colorScheme: "light" | "dark", language: "en" | "es"];

const schemes = ["light", "dark"] as const;
const languages = ["en", "es"] as const;
const widths = [360, 768, 1440, 2560, 3840];
const HEIGHT_BY_WIDTH = 0.6;

/** Both ends of it; PIEZA_ALL_PICTURES=1 makes every width in both schemes and both languages. */
const looks: readonly Look[] =
  process.env.PIEZA_ALL_PICTURES === "1"
    ? widths.flatMap((width) =>
        schemes.flatMap((scheme) => languages.map((language): Look => [width, scheme, language])),
      )
    : [
        [1280, "light", "en"],
        [360, "dark", "es"],
      ];

/**
 * A state of the page as people see it: pictures to judge, in test-results/. Fails if it is wider than the window, and
 * with what axe has to say of it in light and in dark. The page is left in English, as wide and as light as before.
 */
export async function pictureState(page: Page, name: string): Promise<void> {
  await mkdir(pictures, { recursive: true });
  const before = page.viewportSize() ?? { width: 1280, height: 800 };
  for (const look of looks) await pictureLook(page, name, look);
  await choose(page, "en");
  await page.setViewportSize(before);
  for (const colorScheme of schemes) {
    await page.emulateMedia({ colorScheme });
    await drawn(page);
    const { violations } = await new AxeBuilder({ page: page as never }).analyze();
    const said = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
    if (said.length > 0) throw new Error(`${name} in ${colorScheme}: ${said.join("\n")}`);
  }
  await page.emulateMedia({ colorScheme: null });
}

async function pictureLook(page: Page, name: string, [width, colorScheme, language]: Look): Promise<void> {
  await page.emulateMedia({ colorScheme });
  await page.setViewportSize({ width, height: Math.max(740, Math.round(width * HEIGHT_BY_WIDTH)) });
  await choose(page, language);
  await drawn(page);
  const path = join(pictures, `${name}-${width}-${colorScheme}-${language}.png`);
  await page.screenshot({ path, fullPage: true });
  const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (tooWide > 0) throw new Error(`${name} is ${tooWide} px wider than ${width} px, in "${language}"`);
}

async function choose(page: Page, language: Look[2]): Promise<void> {
  await page.locator("header select").selectOption(language);
}

/** What a change of size, scheme or language has set off is drawn by then. */
async function drawn(page: Page): Promise<void> {
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}
