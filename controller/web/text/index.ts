/** The page's languages: which there are, which one is on, and the document's `lang` and `dir` that follow from it. */
import i18next from 'i18next';
import { initReactI18next } from 'react-i18next';
import { en } from './en.js';
import { fa } from './fa.js';

export const LANGUAGES = { en: { name: 'English', dir: 'ltr' }, fa: { name: 'فارسی', dir: 'rtl' } } as const;
export type Language = keyof typeof LANGUAGES;

declare module 'i18next' {
  interface CustomTypeOptions {
    defaultNS: 'text';
    resources: { text: typeof en };
  }
}

const STORED = 'longroof-language';

function firstLanguage(): Language {
  const stored = localStorage.getItem(STORED);
  if (stored === 'en' || stored === 'fa') return stored;
  return navigator.languages.some((tag) => tag.toLowerCase().startsWith('fa')) ? 'fa' : 'en';
}

function markDocument(language: Language): void {
  document.documentElement.lang = language;
  document.documentElement.dir = LANGUAGES[language].dir;
}

export function currentLanguage(): Language {
  return i18next.language === 'fa' ? 'fa' : 'en';
}

export async function setLanguage(language: Language): Promise<void> {
  localStorage.setItem(STORED, language);
  markDocument(language);
  await i18next.changeLanguage(language);
}

/**
 * Names and numbers set into a right-to-left sentence keep their own direction (Unicode first-strong isolate), or `2026-1182` would
 * read as `1182-2026`. React does the escaping of what it renders.
 */
function isolate(value: string): string {
  return i18next.language === 'fa' ? `\u2068${value}\u2069` : value;
}

export async function startText(): Promise<void> {
  const language = firstLanguage();
  markDocument(language);
  await i18next.use(initReactI18next).init({
    lng: language,
    fallbackLng: 'en',
    ns: ['text'],
    defaultNS: 'text',
    resources: { en: { text: en }, fa: { text: fa } },
    interpolation: { escapeValue: true, escape: isolate },
  });
}
