import { describe, expect, it } from 'vitest';
import { make, owner, pod, replicaSet, TestView } from '../../test/support/cluster-objects.ts';
import { nextRun, parseCron } from './cron.ts';
import { theilSen } from './detectors/capacity.ts';
import { effectiveRequest } from './detectors/capacity.ts';
import { hostFits } from './detectors/certificates.ts';
import { History } from './history.ts';
import { ownerChain, workloadOf } from './owners.ts';
import { bytesText, coresText, readQuantity } from './quantity.ts';
import { activeRules, defaultRules, unknownThresholds } from './rules.ts';

describe('quantities', () => {
  it.each([
    ['1', 1],
    ['250m', 0.25],
    ['1.5Gi', 1.5 * 2 ** 30],
    ['1.1M', 1_100_000],
    ['100n', 1e-7],
    ['250u', 0.00025],
    ['1e3', 1_000],
    ['1E3', 1_000],
    ['1E', 1e18],
    ['2Ei', 2 ** 61],
    ['.5', 0.5],
    ['5.', 5],
    ['-1k', -1_000],
    [4, 4],
  ])('%s is %d', (text, value) => expect(readQuantity(text)).toBeCloseTo(value, 10));

  it.each(['', 'Ki', '1 Gi', '1KiB', 'abc', '1e', null, undefined, {}, Number.NaN])('%s is none', (value) =>
    expect(readQuantity(value)).toBeNull(),
  );

  it('reads well', () => {
    expect([bytesText(1.5 * 2 ** 30), bytesText(512), coresText(0.25), coresText(3.5)]).toEqual([
      '1.5 GiB',
      '512 B',
      '250m',
      '3.5',
    ]);
  });
});

describe('cron schedules', () => {
  it.each([
    ['*/5 * * * *', '2026-11-20T12:01:30Z', 'UTC', '2026-11-20T12:05:00Z'],
    ['0 3 * * *', '2026-11-20T12:00:00Z', 'UTC', '2026-11-21T03:00:00Z'],
    ['@hourly', '2026-11-20T12:00:00Z', 'UTC', '2026-11-20T13:00:00Z'],
    ['0 0 1 jan *', '2026-11-20T12:00:00Z', 'UTC', '2027-01-01T00:00:00Z'],
    ['0 12 13 * fri', '2026-11-20T12:00:00Z', 'UTC', '2026-11-27T12:00:00Z'],
    ['0 0 29 2 *', '2026-11-20T12:00:00Z', 'UTC', '2028-02-29T00:00:00Z'],
    ['30 2 * * 7', '2026-11-20T12:00:00Z', 'UTC', '2026-11-22T02:30:00Z'],
    ['5/20 * * * *', '2026-11-20T12:26:00Z', 'UTC', '2026-11-20T12:45:00Z'],
    ['0 9 * * *', '2026-11-20T12:00:00Z', 'Europe/Berlin', '2026-11-21T08:00:00Z'],
    // Skipped when the clock goes forward: the next day it is.
    ['30 2 * * *', '2026-03-28T12:00:00Z', 'Europe/Berlin', '2026-03-30T00:30:00Z'],
  ])('%s after %s in %s is %s', (schedule, after, zone, expected) => {
    const cron = parseCron(schedule);
    expect(cron === null ? null : nextRun(cron, new Date(after), zone)).toEqual(new Date(expected));
  });

  it.each(['', '* * * *', '61 * * * *', '* * * * 8', 'a * * * *', '*/0 * * * *', '5-1 * * * *', '@every 5m'])(
    '%s is none',
    (schedule) => expect(parseCron(schedule)).toBeNull(),
  );

  it('never runs on the 30th of February', () => {
    const cron = parseCron('0 0 30 2 *');
    expect(cron === null ? undefined : nextRun(cron, new Date('2026-11-20T12:00:00Z'))).toBeNull();
  });
});

describe('owners', () => {
  const of = (...args: Parameters<typeof pod>) => pod(...args);
  const view = new TestView([
    replicaSet('web-abc12', 'web'),
    make('Job', 'nightly-29711615', { metadata: owner('CronJob', 'nightly') }),
  ]);
  it.each([
    ['a Deployment', of('web-1'), 'Deployment/web'],
    ['a Deployment whose ReplicaSet is not known', of('api-1', { app: 'api' }), 'Deployment/api'],
    ['a StatefulSet', of('db-0', { metadata: owner('StatefulSet', 'db') }), 'StatefulSet/db'],
    ['a CronJob', of('n-1', { metadata: owner('Job', 'nightly-29711615') }), 'CronJob/nightly'],
    [
      'a CronJob whose Job is gone',
      of('n-2', { metadata: owner('Job', 'weekly-29711615') }),
      'CronJob/weekly',
    ],
    ['a Job', of('j-1', { metadata: owner('Job', 'import') }), 'Job/import'],
    ['the kubelet', of('etcd-n1', { metadata: owner('Node', 'n1') }), 'StaticPod/etcd'],
    ['nobody', of('lone', { metadata: { ownerReferences: [] } }), 'Pod/lone'],
  ])('a pod of %s', (_name, one, expected) => {
    const { kind, name } = workloadOf(view, one);
    expect(`${kind}/${name}`).toBe(expected);
  });
  it('are a chain', () => {
    expect(ownerChain(view, pod('web-1')).map(({ kind }) => kind)).toEqual(['ReplicaSet', 'Deployment']);
  });
});

it('a wildcard stands for one label', () => {
  const fits = [
    ['a.example.com', '*.example.com'],
    ['A.example.com', 'a.EXAMPLE.com'],
    ['a.b.example.com', '*.example.com'],
    ['example.com', '*.example.com'],
  ].map(([host = '', pattern = '']) => hostFits(host, pattern));
  expect(fits).toEqual([true, true, false, false]);
});

it('what a pod takes of its node: its containers and sidecars, or its largest init container, and overhead', () => {
  const cpu = (value: string) => ({ resources: { requests: { cpu: value } } });
  const one = pod('x', {
    spec: {
      containers: [cpu('100m'), cpu('200m')],
      initContainers: [cpu('1'), { ...cpu('50m'), restartPolicy: 'Always' }],
      overhead: { cpu: '10m' },
    },
  });
  expect(effectiveRequest(one, 'cpu')).toBeCloseTo(1.01);
  expect(
    effectiveRequest(
      pod('y', { spec: { resources: { requests: { cpu: '2' } }, containers: [cpu('100m')] } }),
      'cpu',
    ),
  ).toBe(2);
});

it('a trend is not bent by an outlier', () => {
  const points = Array.from({ length: 20 }, (_, i) => ({ at: i * 1_000, value: i === 10 ? 500 : i }));
  expect(theilSen(points)).toBeCloseTo(0.001);
});

describe('history', () => {
  const at = (seconds: number) => new Date(seconds * 1_000);
  it('counts growth from the last point before the window', () => {
    const history = new History(at(0));
    for (const [second, value] of [
      [0, 3],
      [100, 4],
      [700, 6],
    ] as const)
      history.recordChange('r', at(second), value, 600_000);
    expect([
      history.growth('r', at(200), 0),
      history.growth('r', at(-10), 0),
      history.growth('r', at(-10), null),
    ]).toEqual([2, 6, 3]);
  });
  it('forgets a state that was away for a minute, and survives a restart', () => {
    const history = new History(at(0));
    history.seen('a', at(10));
    history.prune(at(60));
    const next = new History(at(65));
    next.restore(JSON.parse(JSON.stringify(history.save())) as never);
    expect(next.seen('a', at(65))).toEqual(at(10));
    next.prune(at(200));
    expect(next.seen('a', at(200))).toEqual(at(200));
  });
});

describe('rules', () => {
  it('P0 and P1 are told within half a minute of their condition, but for a crash loop, which has to be seen', () => {
    const slow = Object.entries(defaultRules).filter(([, { stages }]) =>
      stages.some(
        ({ afterSeconds, severity }) => (severity === 'P0' || severity === 'P1') && afterSeconds > 30,
      ),
    );
    expect(slow.map(([name]) => name)).toEqual(['pod.crash-loop.all', 'pod.unschedulable.none-available']);
  });
  it('take changes of the settings, and name thresholds they do not have', () => {
    const changes = { 'node.cpu': { waitSeconds: 60, thresholds: { percent: 70, percnt: 3 } } };
    expect(activeRules(changes)['node.cpu']).toMatchObject({
      stages: [
        { afterSeconds: 60, severity: 'P3' },
        { afterSeconds: 900, severity: 'P2' },
      ],
      thresholds: { percent: 70, meanSeconds: 300 },
    });
    expect(unknownThresholds(changes)).toEqual(['node.cpu.thresholds.percnt']);
  });
});
