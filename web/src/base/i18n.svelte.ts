import { en, type Words } from "./en.ts";
import { es } from "./es.ts";
import { type Formats, formatsFor } from "./format.ts";
import { keepText, keptText } from "./kept.ts";

export const languages = { en: "English", es: "Español" } as const;
export type Language = keyof typeof languages;

const dictionaries: Record<Language, Words> = { en, es };
const KEY = "pieza.language";

/** The language of the page: the person's choice, else the first language of the browser that has a dictionary. */
class I18n {
  language: Language = $state(initialLanguage());
  readonly words: Words = $derived(dictionaries[this.language]);
  readonly format: Formats = $derived(formatsFor(this.language));

  choose(language: Language): void {
    this.language = language;
    keepText(KEY, language);
  }
}

function initialLanguage(): Language {
  for (const tag of [keptText(KEY), ...navigator.languages]) {
    const language = tag?.slice(0, 2).toLowerCase();
    if (language !== undefined && language in dictionaries) return language as Language;
  }
  return "en";
}

export const i18n = new I18n();
