/** Who is signed in, for every page below the sign-in. */
import { createContext, useContext } from 'react';
import type { SessionShape } from '../../api/shapes.js';

export const SessionContext = createContext<SessionShape | undefined>(undefined);

export function usePerson(): string {
  return useContext(SessionContext)?.user ?? '';
}
