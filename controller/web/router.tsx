/**
 * Addresses of the page: `/`, `/units/ID`, `/pulls`, `/pulls/ID`, `/request`, `/together/ID,ID`, `/holds`, `/restores`. The browser's own
 * history; beside the address it keeps only what a page was told on the way to it.
 */
import { Anchor, type AnchorProps } from '@mantine/core';
import { type MouseEvent, type ReactNode, useSyncExternalStore } from 'react';

const MOVED = 'longroof-moved';

function subscribe(changed: () => void): () => void {
  window.addEventListener('popstate', changed);
  window.addEventListener(MOVED, changed);
  return () => {
    window.removeEventListener('popstate', changed);
    window.removeEventListener(MOVED, changed);
  };
}

export function usePath(): string {
  return useSyncExternalStore(subscribe, () => window.location.pathname);
}

/** What `navigate` gave the page that is shown. */
export function historyState(): unknown {
  return window.history.state;
}

export function navigate(to: string, state: unknown = null): void {
  window.history.pushState(state, '', to);
  window.dispatchEvent(new Event(MOVED));
  window.scrollTo(0, 0);
}

/** The parts of a path, decoded; undefined for one that cannot be decoded. */
export function pathParts(path: string): string[] | undefined {
  try {
    return path.split('/').filter(Boolean).map(decodeURIComponent);
  } catch {
    return undefined;
  }
}

interface LinkProps extends AnchorProps {
  to: string;
  children: ReactNode;
  'aria-current'?: 'page' | undefined;
}

/** A real link: opens in a new tab when asked to, and moves without loading otherwise. */
export function Link({ to, children, ...rest }: LinkProps) {
  const follow = (event: MouseEvent): void => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    navigate(to);
  };
  return (
    <Anchor href={to} onClick={follow} {...rest}>
      {children}
    </Anchor>
  );
}
