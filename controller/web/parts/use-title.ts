/** The document's title, which is also what a screen reader says on arrival. */
import { useEffect } from 'react';

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} — Longroof`;
  }, [title]);
}
