/** What the page asks the centre for, how often, and what a change makes stale. */
import {
  keepPreviousData,
  QueryCache,
  QueryClient,
  type UseQueryResult,
  useMutation,
  useQuery,
  useQueryClient,
} from '@tanstack/react-query';
import type { AlarmShape, CoverageShape, PullShape, SessionShape, UnitShape } from '../../api/shapes.js';
import type { Range } from '../logic/coverage.js';
import { ApiFault, request } from './client.js';
import { nowMs } from './clock.js';

const RUNNING_MS = 2_000;
const FLEET_MS = 5_000;
const LIVE_COVERAGE_MS = 10_000;
const IDLE_MS = 15_000;

const notSignedIn = (error: unknown): boolean => error instanceof ApiFault && error.status === 401;

/** Faults that stay are shown at once; a centre that does not answer is asked twice more. */
export function createQueryClient(): QueryClient {
  const client: QueryClient = new QueryClient({
    queryCache: new QueryCache({
      onError: (error) => {
        if (notSignedIn(error)) client.setQueryData(['session'], null);
      },
    }),
    defaultOptions: {
      queries: {
        retry: (count, error) => count < 2 && error instanceof ApiFault && error.retryable,
        staleTime: 1_000,
        networkMode: 'always',
      },
      mutations: { networkMode: 'always' },
    },
  });
  return client;
}

/** Null when nobody is signed in. */
export function useSession(): UseQueryResult<SessionShape | null> {
  return useQuery({
    queryKey: ['session'],
    queryFn: async ({ signal }) => {
      try {
        return await request<SessionShape>('GET', '/api/session', undefined, signal);
      } catch (error) {
        if (notSignedIn(error)) return null;
        throw error;
      }
    },
    staleTime: 60_000,
    refetchInterval: (query) => (query.state.data ? 60_000 : false),
  });
}

export function useSignIn() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (credentials: { user: string; password: string }) => request<SessionShape>('POST', '/api/session', credentials),
    onSuccess: (session) => client.setQueryData(['session'], session),
  });
}

export function useSignOut() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => request<void>('DELETE', '/api/session'),
    onSuccess: () => {
      client.setQueryData(['session'], null);
      client.removeQueries({ predicate: (query) => query.queryKey[0] !== 'session' });
    },
  });
}

export function useUnits(): UseQueryResult<UnitShape[]> {
  return useQuery({
    queryKey: ['units'],
    queryFn: async ({ signal }) => (await request<{ units: UnitShape[] }>('GET', '/api/units', undefined, signal)).units,
    refetchInterval: FLEET_MS,
  });
}

export function useUnit(id: string): UseQueryResult<UnitShape> {
  return useQuery({
    queryKey: ['unit', id],
    queryFn: ({ signal }) => request<UnitShape>('GET', `/api/units/${encodeURIComponent(id)}`, undefined, signal),
    refetchInterval: FLEET_MS,
  });
}

export function useCloseAlarm(unit: string, alarm: string) {
  const client = useQueryClient();
  const route = `/api/units/${encodeURIComponent(unit)}/alarms/${encodeURIComponent(alarm)}/close`;
  return useMutation({
    mutationFn: (reason: string) => request<AlarmShape>('POST', route, { reason }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['unit', unit] }),
  });
}

/** A span that ends at `toMs`, or that follows the clock. */
export interface TimelineSpan {
  lengthMs: number;
  toMs: number | 'now';
}

export function rangeOf(span: TimelineSpan): Range {
  const toMs = span.toMs === 'now' ? nowMs() : span.toMs;
  return { fromMs: toMs - span.lengthMs, toMs };
}

async function fetchCoverage(unit: string, range: Range, signal: AbortSignal): Promise<CoverageShape> {
  const from = new Date(range.fromMs).toISOString();
  const to = new Date(range.toMs).toISOString();
  const path = `/api/units/${encodeURIComponent(unit)}/coverage?from=${encodeURIComponent(from)}&to=${encodeURIComponent(to)}`;
  return request<CoverageShape>('GET', path, undefined, signal);
}

/** Coverage of a timeline's span. The old one stays while the new one is on its way. */
export function useCoverage(unit: string, span: TimelineSpan): UseQueryResult<CoverageShape> {
  return useQuery({
    queryKey: ['coverage', unit, span.lengthMs, span.toMs],
    queryFn: ({ signal }) => fetchCoverage(unit, rangeOf(span), signal),
    placeholderData: keepPreviousData,
    refetchInterval: span.toMs === 'now' ? LIVE_COVERAGE_MS : false,
  });
}

export function useRangeCoverage(unit: string, range: Range | undefined): UseQueryResult<CoverageShape> {
  return useQuery({
    queryKey: ['coverage', unit, 'range', range?.fromMs, range?.toMs],
    queryFn: ({ signal }) => fetchCoverage(unit, range as Range, signal),
    enabled: range !== undefined,
    placeholderData: keepPreviousData,
  });
}

export function isUnfinished(pull: PullShape): boolean {
  return pull.state !== 'done' && pull.state !== 'failed' && pull.state !== 'cancelled';
}

export function usePulls(): UseQueryResult<PullShape[]> {
  return useQuery({
    queryKey: ['pulls'],
    queryFn: async ({ signal }) => (await request<{ pulls: PullShape[] }>('GET', '/api/pulls', undefined, signal)).pulls,
    refetchInterval: (query) => (query.state.data?.some(isUnfinished) ? RUNNING_MS : IDLE_MS),
  });
}

export function usePull(id: string): UseQueryResult<PullShape> {
  return useQuery({
    queryKey: ['pull', id],
    queryFn: ({ signal }) => request<PullShape>('GET', `/api/pulls/${encodeURIComponent(id)}`, undefined, signal),
    refetchInterval: (query) => (query.state.data && !isUnfinished(query.state.data) ? false : RUNNING_MS),
  });
}

export type PullRequest = Pick<PullShape, 'unitId' | 'cameras' | 'from' | 'to' | 'quality' | 'rate' | 'reason' | 'caseNumber'> & {
  urgent?: boolean;
};

export function useCreatePull() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (wanted: PullRequest) => request<PullShape>('POST', '/api/pulls', wanted),
    onSuccess: (pull) => {
      client.setQueryData(['pull', pull.id], pull);
      return client.invalidateQueries({ queryKey: ['pulls'] });
    },
  });
}

export function useCancelPull(id: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (reason: string) => request<PullShape>('POST', `/api/pulls/${encodeURIComponent(id)}/cancel`, { reason }),
    onSuccess: (pull) => {
      client.setQueryData(['pull', id], pull);
      return client.invalidateQueries({ queryKey: ['pulls'] });
    },
  });
}

export interface StripShape {
  name: string;
  from: string;
  to: string;
}

export function useStrips(pullId: string, camera: string, token: string | undefined, bytesDone: number): UseQueryResult<StripShape[]> {
  const query = token === undefined ? '' : `?token=${encodeURIComponent(token)}`;
  const route = `/api/pulls/${encodeURIComponent(pullId)}/${encodeURIComponent(camera)}/strips${query}`;
  return useQuery({
    queryKey: ['strips', pullId, camera, token, bytesDone],
    queryFn: async ({ signal }) => (await request<{ strips: StripShape[] }>('GET', route, undefined, signal)).strips,
    placeholderData: keepPreviousData,
  });
}

export interface ViewGrant {
  token: string;
  expires: string;
}

export function useRequestView(pullId: string) {
  return useMutation({
    mutationFn: (reason: string) => request<ViewGrant>('POST', `/api/pulls/${encodeURIComponent(pullId)}/views`, { reason }),
  });
}
