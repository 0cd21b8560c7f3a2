/** Who is signed in, for every page below the sign-in. */
import { createContext, useContext } from 'react';
import type { SessionShape } from '../../api/shapes.js';

export const SessionContext = createContext<SessionShape | undefined>(undefined);

export function usePerson(): string {
  return useContext(SessionContext)?.user ?? '';
}

/** A fleet manager keeps wagons recording; what they recorded is not theirs to ask for or to look at. The centre enforces it. */
export function useMayView(): boolean {
  return useContext(SessionContext)?.role !== 'manager';
}

/** Seeing to alarms and changing what wagons do is the fleet manager's. The centre enforces it. */
export function useMayOperate(): boolean {
  return useContext(SessionContext)?.role === 'manager';
}
