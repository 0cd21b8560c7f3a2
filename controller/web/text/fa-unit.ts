/** As `en-unit.ts`, in Persian. */
import type { alarm as enAlarm, configuration as enConfiguration, link as enLink } from './en-unit.js';

export const alarm: typeof enAlarm = {
  title: 'شاید از این خودرو دو تا باشد، یا سابقهٔ آن دست‌کاری شده باشد',
  LR_EPOCH_RETURNED: 'دیسکی که دیسک دیگری جای آن را گرفته بود دوباره فعال است: دیسک یا کلید کپی شده، یا دیسک قدیمی برگردانده شده است.',
  LR_JOURNAL_FORK: 'از یک زمان روایتی جز روایت پیشین می‌گوید. هر دو نگه داشته شده است.',
  LR_JOURNAL_ROLLBACK: 'سابقه‌اش کمتر از آن است که پیش‌تر گفته بود: دیسک آن به عقب برگردانده یا کپی شده است.',
  advice: 'پیش از اعتماد به هر کدام، معلوم کنید هر دو کجا هستند: بخش «A wagon that exists twice» در راهنمای بهره‌برداری.',
  times_one: '({{last}})',
  times_other: '({{n}} بار، از {{first}} تا {{last}})',
  reason: 'چه معلوم شد',
  close: 'رسیدگی شد',
};

export const configuration: typeof enConfiguration = {
  title: 'تنظیمات از مرکز',
  asked: 'درخواست',
  settings: 'تنظیمات',
  answer: 'خودرو',
  none: 'هیچ: همان که در فایل خودش است',
  queued: 'هنوز پاسخ نداده است',
  applied: 'آنها را اعمال کرده است',
  refused: 'آنها را نپذیرفته است',
  replaced: 'پیش از پاسخ، تنظیمات دیگری از آن خواسته شد',
};

export const link: typeof enLink = {
  title: 'ارتباط',
  metered: 'حجمی',
  free: 'آزاد',
  spent: '{{spent}} از {{all}} تا {{until}} مصرف شده است',
  waitsBudget: 'فیلم‌های درخواست‌شده منتظرند: حجم این ماه تمام شده است.',
  waitsClass: 'فیلم‌های درخواست‌شده منتظر ارتباط دیگری هستند.',
  waitsCount: 'فیلم‌های درخواست‌شده منتظرند: خودرو نمی‌تواند مصرف ارتباط را ثبت کند.',
  urgentGoes: 'درخواست‌های فوری با این حال فرستاده می‌شوند.',
};
