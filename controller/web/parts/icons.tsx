/** The page's icons: line drawings on a grid of 24, in the colour of the text. Decoration only; words stand beside them. */
import type { ReactNode } from 'react';

const PATHS = {
  recording: <circle cx="12" cy="12" r="6" fill="currentColor" stroke="none" />,
  degraded: (
    <>
      <path d="M12 4 2.500 20h19z" />
      <path d="M12 10v4.500M12 17.200v.1" />
    </>
  ),
  'not-recording': (
    <>
      <circle cx="12" cy="12" r="8.500" />
      <path d="m6 6 12 12" />
    </>
  ),
  offline: (
    <path d="M3 3l18 18M5 12.500a10 10 0 0 1 4-2.400M8.500 16a5 5 0 0 1 6-.5M15 10.300a10 10 0 0 1 4 2.200M12 19.500v.1M2 9a15 15 0 0 1 4-2.500M11 5a15 15 0 0 1 11 4" />
  ),
  standby: <path d="M20 14.500A8.500 8.500 0 1 1 9.500 4 7 7 0 0 0 20 14.500z" />,
  off: <path d="M12 3v9M6.500 7a8 8 0 1 0 11 0" />,
  queued: <path d="M5 6h14M5 12h14M5 18h8" />,
  waiting: <path d="M7 3h10M7 21h10M8 3v3.500l4 5 4-5V3M8 21v-3.500l4-5 4 5V21" />,
  running: <path d="M12 4v11M7 11l5 5 5-5M4 20h16" />,
  done: <path d="m4 12.500 5 5L20 6.500" />,
  failed: <path d="m6 6 12 12M18 6 6 18" />,
  cancelled: <path d="M6 12h12" />,
  gap: <path d="M3 12h5M16 12h5M10.500 7v10M13.500 7v10" />,
  play: <path d="M8 5v14l11-7z" fill="currentColor" />,
  pause: <path d="M8.500 5v14M15.500 5v14" strokeWidth="3" />,
  back: <path d="M11 6 5 12l6 6M19 6l-6 6 6 6" />,
  forward: <path d="m13 6 6 6-6 6M5 6l6 6-6 6" />,
  earlier: <path d="m14 6-6 6 6 6" />,
  later: <path d="m10 6 6 6-6 6" />,
  zoomIn: (
    <>
      <circle cx="10.500" cy="10.500" r="6.500" />
      <path d="m20 20-4.800-4.800M10.500 7.500v6M7.500 10.500h6" />
    </>
  ),
  zoomOut: (
    <>
      <circle cx="10.500" cy="10.500" r="6.500" />
      <path d="m20 20-4.800-4.800M7.500 10.500h6" />
    </>
  ),
  fullscreen: <path d="M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5" />,
  camera: <path d="M3 7h12v10H3zM15 11l6-3.500v9L15 13z" />,
  pin: (
    <>
      <path d="M12 21s-6.500-6-6.500-11a6.500 6.500 0 0 1 13 0c0 5-6.500 11-6.500 11z" />
      <circle cx="12" cy="10" r="2.200" />
    </>
  ),
  settings: (
    <>
      <path d="M4 7h9M19 7h1M4 17h1M11 17h9" />
      <circle cx="16" cy="7" r="2.500" />
      <circle cx="8" cy="17" r="2.500" />
    </>
  ),
  info: (
    <>
      <circle cx="12" cy="12" r="9" />
      <path d="M12 11v5.500M12 7.500v.1" />
    </>
  ),
} satisfies Record<string, ReactNode>;

export type IconName = keyof typeof PATHS;

/** `turns`: mirrored where text runs from right to left. */
export function Icon({ name, sizePx = 18, turns = false }: { name: IconName; sizePx?: number; turns?: boolean }) {
  return (
    <svg
      className={turns ? 'icon turns' : 'icon'}
      width={sizePx}
      height={sizePx}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="2"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      {PATHS[name]}
    </svg>
  );
}
