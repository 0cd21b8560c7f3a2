/** The formats of `logic/format`, bound to the page's language. */
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { nowMs } from '../api/clock.js';
import * as format from '../logic/format.js';

export interface Formats {
  dateTime(utcMs: number): string;
  date(utcMs: number): string;
  time(utcMs: number): string;
  tick(utcMs: number, stepMs: number): string;
  number(value: number, digits?: number): string;
  percent(share: number): string;
  bytes(bytes: number): string;
  /** Bits a second. */
  rate(bps: number): string;
  length(lengthMs: number): string;
  ago(utcMs: number): string;
  /** `in 40 seconds` */
  until(utcMs: number): string;
}

export function useFormat(): Formats {
  const { i18n } = useTranslation();
  const language = i18n.language === 'fa' ? 'fa' : 'en';
  return useMemo(
    () => ({
      dateTime: (utcMs) => format.localDateTime(utcMs, language),
      date: (utcMs) => format.localDate(utcMs, language),
      time: (utcMs) => format.localTime(utcMs, language),
      tick: (utcMs, stepMs) => format.tickText(utcMs, language, stepMs),
      number: (value, digits) => format.numberText(value, language, digits),
      percent: (share) => format.percentText(share, language),
      bytes: (bytes) => format.bytesText(bytes, language),
      rate: (bps) => format.rateText(bps, language),
      length: (lengthMs) => format.lengthText(lengthMs, language),
      ago: (utcMs) => format.agoText(nowMs() - utcMs, language),
      until: (utcMs) => format.untilText(utcMs - nowMs(), language),
    }),
    [language],
  );
}
