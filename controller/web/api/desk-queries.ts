/** Holds, requests to many wagons, receipts, restores and live looks: as `queries`, of the evidence desk's other pages. */
import { type UseQueryResult, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { HoldShape, LiveShape, PullShape, ReceiptShape, RestoreShape } from '../../api/shapes.js';
import { request } from './client.js';

const SOON_MS = 5_000;
const IDLE_MS = 15_000;

export function useHolds(): UseQueryResult<HoldShape[]> {
  return useQuery({
    queryKey: ['holds'],
    queryFn: async ({ signal }) => (await request<{ holds: HoldShape[] }>('GET', '/api/holds', undefined, signal)).holds,
    refetchInterval: (query) => (query.state.data?.some(({ state }) => state === 'queued' || state === 'lifting') ? SOON_MS : IDLE_MS),
  });
}

export type HoldRequest = Pick<HoldShape, 'unitId' | 'cameras' | 'from' | 'to' | 'owner' | 'review' | 'reason'> & { made?: boolean };

export function usePlaceHold() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (wanted: HoldRequest) => request<HoldShape>('POST', '/api/holds', wanted),
    onSuccess: () => client.invalidateQueries({ queryKey: ['holds'] }),
  });
}

export function useLiftHold(id: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (reason: string) => request<HoldShape>('POST', `/api/holds/${encodeURIComponent(id)}/lift`, { reason }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['holds'] }),
  });
}

export type ManyRequest = Pick<PullShape, 'from' | 'to' | 'quality' | 'rate' | 'reason' | 'caseNumber'> & {
  unitIds: string[];
  urgent?: boolean;
};

export interface ManyAnswer {
  pulls: PullShape[];
  refused: { unitId: string; code: string; detail: string; receipt: ReceiptShape }[];
}

export function useCreatePulls() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (wanted: ManyRequest) => request<ManyAnswer>('POST', '/api/pulls', wanted),
    onSuccess: () => client.invalidateQueries({ queryKey: ['pulls'] }),
  });
}

export function useReceipt(pullId: string): UseQueryResult<ReceiptShape> {
  return useQuery({
    queryKey: ['receipt', pullId],
    queryFn: ({ signal }) => request<ReceiptShape>('GET', `/api/pulls/${encodeURIComponent(pullId)}/receipt`, undefined, signal),
    staleTime: Number.POSITIVE_INFINITY,
  });
}

export function useRestores(): UseQueryResult<RestoreShape[]> {
  return useQuery({
    queryKey: ['restores'],
    queryFn: async ({ signal }) => (await request<{ restores: RestoreShape[] }>('GET', '/api/restores', undefined, signal)).restores,
    refetchInterval: IDLE_MS,
  });
}

/** Who watches what now. */
export function useLives(): UseQueryResult<LiveShape[]> {
  return useQuery({
    queryKey: ['live'],
    queryFn: async ({ signal }) => (await request<{ looks: LiveShape[] }>('GET', '/api/live', undefined, signal)).looks,
    refetchInterval: SOON_MS,
  });
}

export function useBeginLive(unitId: string) {
  const client = useQueryClient();
  return useMutation({
    onSuccess: () => client.invalidateQueries({ queryKey: ['live'] }),
    mutationFn: (wanted: { camera: string; reason: string }) =>
      request<LiveShape>('POST', `/api/units/${encodeURIComponent(unitId)}/live`, wanted),
  });
}
