import { describe, expect, it } from 'vitest';
import type { WatchHealth } from './kubernetes-watch.ts';
import { readWatchHealth } from './watch-report.ts';

const now = new Date('2026-11-22T12:00:00Z');
const before = (seconds: number): Date => new Date(now.getTime() - seconds * 1_000);
type Collection = WatchHealth['collections'][number];

function collection(resource: string, parts: Partial<Collection> = {}): Collection {
  return { resource, namespace: 'monitoring', state: 'streaming', heardAt: before(3), objects: 1, ...parts };
}

function report(collections: Collection[], parts: Partial<WatchHealth> = {}, startedAt = before(600)) {
  const health = { isReachable: true, lastHeardAt: before(3), permissions: null, ...parts, collections };
  return readWatchHealth(health, startedAt, now);
}

const none = { troubles: [], notes: [] };
const backoff = { state: 'backoff', detail: '503' } as const;

describe('what /readyz says of the cluster', () => {
  it.each([
    ['all is well', [collection('pods')], none],
    ['a list goes on', [collection('pods', { state: 'listing', heardAt: null })], none],
    ['a watch begins anew', [collection('pods', backoff)], none],
    [
      'one kind fails',
      [collection('pods', { ...backoff, heardAt: before(20) }), collection('nodes')],
      { troubles: ['pods: 503'], notes: [] },
    ],
    [
      'several fail alike, in several namespaces',
      [
        collection('pods', { ...backoff, heardAt: before(20) }),
        collection('pods', { ...backoff, heardAt: before(20), namespace: 'kube-system' }),
        collection('nodes', { ...backoff, heardAt: null }),
      ],
      { troubles: ['pods, nodes: 503'], notes: [] },
    ],
    [
      'one may not be read',
      [collection('pods', { state: 'forbidden' })],
      { troubles: ['pods: forbidden'], notes: [] },
    ],
    [
      'one may not be read in one namespace',
      [collection('pods', { state: 'forbidden', namespace: 'kube-system' }), collection('pods')],
      { troubles: ['pods in kube-system: forbidden'], notes: [] },
    ],
    [
      'what is missing is not needed',
      [collection('secrets', { state: 'forbidden' }), collection('pods.metrics.k8s.io', { state: 'absent' })],
      { troubles: [], notes: ['secrets: forbidden', 'pods.metrics.k8s.io: absent'] },
    ],
  ])('%s', (_case, collections, expected) => {
    expect(report(collections)).toEqual(expected);
  });

  it('is one line where the server itself does not answer', () => {
    const all = [
      collection('pods', { ...backoff, heardAt: before(100) }),
      collection('secrets', { state: 'forbidden' }),
    ];
    expect(report(all, { isReachable: false, lastHeardAt: before(100) })).toEqual({
      troubles: ['the API server has not answered since 2026-11-22T11:58:20.000Z: 503'],
      notes: [],
    });
    const never = { isReachable: false, lastHeardAt: null };
    expect(report([collection('pods', { ...backoff, heardAt: null })], never, before(1)).troubles).toEqual([
      'the API server has not answered yet: 503',
    ]);
    const hanging = [collection('pods', { state: 'listing', heardAt: null })];
    expect(report(hanging, never, before(5))).toEqual(none);
    expect(report(hanging, never, before(100)).troubles).toEqual(['the API server has not answered yet']);
  });
});
