import { describe, expect, it } from 'vitest';
import { cleanUp, connectTo, pod, quickTimes, startSandbox } from '../../../test/support/kube-reflector.ts';
import type { KubernetesSandbox } from '../../../sandbox/kubernetes/server.ts';
import type { ClusterChange } from '../../cluster/cluster-view.ts';
import type { ReadyzStatus } from './api-health.ts';
import { createKubernetesWatch, type KubernetesWatch, type WatchEvent } from './kubernetes-watch.ts';
import { readLastLogLines } from './last-log-lines.ts';
import { reviewPermissions } from './permissions.ts';
import { hashesOf } from '../../cluster/config-maps.ts';
import { readConfigMapHashes, readTlsCertificate } from './secret-free-reads.ts';

cleanUp();

const never = new AbortController().signal;
const namespaces = ['monitoring', 'kube-system', 'ingress-nginx'];

type Watching = {
  sandbox: KubernetesSandbox;
  watch: KubernetesWatch;
  changes: ClusterChange[];
  events: WatchEvent[];
};

async function watching(
  prepare: (sandbox: KubernetesSandbox) => void,
  body: (watching: Watching) => Promise<void>,
  where: string[] = namespaces,
): Promise<void> {
  const sandbox = await startSandbox();
  prepare(sandbox);
  const changes: ClusterChange[] = [];
  const events: WatchEvent[] = [];
  const watch = createKubernetesWatch({
    connection: connectTo(sandbox),
    namespaces: where,
    random: () => 0.5,
    times: { ...quickTimes, metricsMs: 20, leasesMs: 20, readyMs: 20, permissionsMs: 100 },
    observe: (event) => events.push(event),
  });
  watch.onChange((change) => changes.push(change));
  watch.start();
  try {
    await sandbox.waitFor(() =>
      watch.health().collections.every(({ state }) => !['stopped', 'listing', 'backoff'].includes(state)),
    );
    await body({ sandbox, watch, changes, events });
  } finally {
    await watch.stop();
  }
}

const node = { kind: 'Node', apiVersion: 'v1', metadata: { name: 'n1' }, status: {} };

describe('createKubernetesWatch', () => {
  it('sees the watched namespaces and the cluster, and nothing else', async () => {
    await watching(
      (sandbox) => {
        sandbox.apply(node);
        sandbox.apply(pod('a'));
        sandbox.apply(pod('b', 'Running', 'kube-system'));
        sandbox.apply(pod('elsewhere', 'Running', 'default'));
      },
      async ({ sandbox, watch, changes }) => {
        const { view } = watch;
        expect(
          view
            .list('pods')
            .map(({ metadata }) => metadata.name)
            .toSorted(),
        ).toEqual(['a', 'b']);
        expect(view.list('pods', 'kube-system').map(({ metadata }) => metadata.name)).toEqual(['b']);
        expect(view.get('pods', 'monitoring', 'a')?.kind).toBe('Pod');
        expect(view.get('nodes', null, 'n1')?.kind).toBe('Node');
        expect(view.get('pods', 'default', 'elsewhere')).toBeUndefined();
        expect(view.list('pods')).toBe(view.list('pods'));
        expect(view.freshness('pods')).toEqual({ state: 'streaming', heardAt: expect.any(Date) });
        expect(view.freshness('nothing').state).toBe('stopped');
        sandbox.apply(pod('c'));
        await sandbox.waitFor(() => view.list('pods').length === 3);
        expect(changes.filter(({ resource }) => resource === 'pods')).toHaveLength(3);
        await sandbox.waitFor(() => watch.health().permissions);
        expect(watch.health()).toMatchObject({ isReachable: true, permissions: { isComplete: true } });
      },
    );
  });

  it('watches everything where the namespaces say so', async () => {
    await watching(
      (sandbox) => {
        sandbox.apply(pod('a'));
        sandbox.apply(pod('b', 'Running', 'anywhere'));
      },
      async ({ sandbox, watch }) => {
        expect(watch.view.list('pods')).toHaveLength(2);
        expect(sandbox.watches.count({ resource: 'pods' })).toBe(1);
      },
      ['*'],
    );
  });

  it('hears of events about nodes, which stand in the namespace default', async () => {
    const event = (name: string, kind: string) => ({
      kind: 'Event',
      metadata: { name, namespace: 'default' },
      involvedObject: { kind, name: 'n1' },
      lastTimestamp: new Date(Date.now() + 5_000).toISOString(),
    });
    await watching(
      () => undefined,
      async ({ sandbox, watch }) => {
        sandbox.apply(event('of-a-pod', 'Pod'));
        sandbox.apply(event('of-a-node', 'Node'));
        await sandbox.waitFor(() => watch.view.list('events').length === 1);
        expect(watch.view.get('events', 'default', 'of-a-node')).toBeDefined();
      },
    );
  });

  it('polls metrics and leases, and never watches them', async () => {
    const lease = { kind: 'Lease', metadata: { name: 'kube-scheduler', namespace: 'kube-system' }, spec: {} };
    const metrics = (cpu: string, timestamp: string) => ({
      kind: 'PodMetrics',
      apiVersion: 'metrics.k8s.io/v1beta1',
      metadata: { name: 'a', namespace: 'monitoring' },
      timestamp,
      containers: [{ name: 'app', usage: { cpu, memory: '1Mi' } }],
    });
    await watching(
      (sandbox) => {
        sandbox.apply(lease);
        sandbox.apply({ ...lease, metadata: { name: 'n1', namespace: 'kube-node-lease' } });
        sandbox.apply(metrics('1m', '2026-01-01T00:00:00Z'));
      },
      async ({ sandbox, watch, changes }) => {
        const { view } = watch;
        expect(view.get('leases.coordination.k8s.io', 'kube-system', 'kube-scheduler')).toBeDefined();
        expect(view.get('leases.coordination.k8s.io', 'kube-node-lease', 'n1')).toBeDefined();
        expect(view.freshness('leases.coordination.k8s.io').state).toBe('streaming');
        sandbox.apply(metrics('9m', '2026-01-01T00:00:30Z'));
        await sandbox.waitFor(() => JSON.stringify(view.list('pods.metrics.k8s.io')).includes('9m'));
        const told = changes.filter(({ resource }) => resource === 'pods.metrics.k8s.io');
        expect(told.map(({ type }) => type)).toEqual(['added', 'modified']);
        const watched = sandbox.requests().filter(({ verb }) => verb === 'watch');
        expect(watched.filter(({ resource }) => /metrics|leases/.test(resource))).toEqual([]);
      },
    );
  });

  it('says how the API server is, and tells may-not-ask from down', async () => {
    await watching(
      () => undefined,
      async ({ sandbox, watch }) => {
        const ready = () => watch.view.get('readyz', null, 'readyz')?.status as ReadyzStatus;
        expect(ready()).toMatchObject({ state: 'ok', failures: 0, code: 200 });
        expect(ready().checks).toContainEqual({ name: 'etcd', ok: true });
        expect(watch.probes()).toMatchObject({ apiServer: { failures: 0 }, serverVersion: 'v1.35.0' });
        sandbox.setCheck('etcd', false);
        await sandbox.waitFor(() => ready().failures >= 2);
        expect(ready()).toMatchObject({ state: 'failing', code: 500, failingSince: expect.any(String) });
        expect(watch.probes().apiServer).toMatchObject({ failing: ['etcd'], failingSince: expect.any(Date) });
        sandbox.setCheck('etcd', true);
        sandbox.forbid({ resource: '/readyz' });
        await sandbox.waitFor(() => ready().state === 'unknown');
        expect(watch.probes().apiServer).toBeNull();
        sandbox.allow();
        sandbox.fault({ resource: '/readyz', effect: 'reset', times: 1_000 });
        await sandbox.waitFor(() => ready().state === 'unreachable' && ready().failures >= 2);
      },
    );
  });

  it('names a missing right once, in however many namespaces, and takes it up as soon as it is granted', async () => {
    await watching(
      (sandbox) => {
        sandbox.apply({ kind: 'Secret', metadata: { name: 's', namespace: 'monitoring' } });
        sandbox.forbid({ resource: 'secrets' });
        sandbox.forbid({ resource: 'jobs.batch', namespace: 'kube-system' });
      },
      async ({ sandbox, watch, events }) => {
        await sandbox.waitFor(() => watch.health().permissions);
        const off = () =>
          events.flatMap((event) => (event.kind === 'off' ? [event.resource] : [])).toSorted();
        expect(off()).toEqual(['jobs.batch', 'secrets']);
        expect(watch.view.freshness('secrets').state).toBe('forbidden');
        // Two of three namespaces are read, and nothing is held of the third.
        expect(watch.view.freshness('jobs.batch').state).toBe('streaming');
        const { permissions } = watch.health();
        expect(permissions).toMatchObject({ isComplete: false, trouble: null });
        expect(permissions?.missing).toEqual([
          {
            resource: 'jobs.batch',
            verbs: ['list', 'watch'],
            namespaces: ['kube-system'],
            isNeeded: true,
            serves: 'Jobs',
          },
          {
            resource: 'secrets',
            verbs: ['list', 'watch'],
            namespaces,
            isNeeded: false,
            serves: 'rotation of Secrets',
          },
        ]);
        sandbox.allow();
        await sandbox.waitFor(() => watch.view.list('secrets').length === 1);
        await sandbox.waitFor(() => watch.health().permissions?.isComplete);
        expect(off()).toEqual(['jobs.batch', 'secrets']);
      },
    );
  });

  it('stays as it was while the server is away, and says so', async () => {
    await watching(
      (sandbox) => void sandbox.apply(pod('a')),
      async ({ sandbox, watch, changes }) => {
        sandbox.fault({ effect: 'reset', times: 100_000 });
        sandbox.drop();
        await sandbox.waitFor(() => watch.view.freshness('pods').state === 'backoff');
        expect(watch.view.list('pods')).toHaveLength(1);
        sandbox.clearFaults();
        await sandbox.waitFor(() => watch.view.freshness('pods').state === 'streaming');
        expect(changes.filter(({ resource }) => resource === 'pods')).toHaveLength(1);
      },
    );
  });

  it('leaves nothing behind when it stops', async () => {
    await watching(
      () => undefined,
      async ({ sandbox, watch }) => {
        watch.start();
        await watch.stop();
        await watch.stop();
        await sandbox.waitFor(() => sandbox.watches.count() === 0);
        const { length } = sandbox.requests();
        expect(watch.view.freshness('pods').state).toBe('stopped');
        await new Promise((later) => setImmediate(later));
        expect(sandbox.requests()).toHaveLength(length);
      },
    );
  });
});

describe('reviewPermissions', () => {
  it('tells a server that is away from a right that is missing', async () => {
    const sandbox = await startSandbox();
    sandbox.fault({ effect: 'reset', times: 1_000 });
    const report = await reviewPermissions(connectTo(sandbox), namespaces, new Date(), never);
    expect(report).toMatchObject({ missing: [], trouble: { kind: 'network' } });
  });
});

describe('readLastLogLines', () => {
  const of = { namespace: 'monitoring', pod: 'a', container: 'app', previous: true };

  it('reads the last 20 lines of the run before, masked and bounded', async () => {
    const sandbox = await startSandbox();
    sandbox.apply(pod('a'));
    const lines = Array.from({ length: 50 }, (_, index) => `line ${index}`);
    lines.push('\u001B[31mpassword=s3cr3t\u001B[0m', 'x'.repeat(3_000), 'panic: boom\r');
    sandbox.setLog('monitoring', 'a', 'app', { previous: `${lines.join('\n')}\n`, current: 'now\n' });
    const read = await readLastLogLines(connectTo(sandbox), of, never);
    const told = read.ok ? read.lines : [];
    expect(told).toHaveLength(20);
    expect(told.slice(-3)).toEqual(['password=***', `${'x'.repeat(1_000)}…`, 'panic: boom']);
    expect(told[0]).toBe('line 33');
    expect(await readLastLogLines(connectTo(sandbox), { ...of, previous: false }, never)).toEqual({
      ok: true,
      lines: ['now'],
    });
  });

  it('keeps the newest lines where they are too many bytes', async () => {
    const sandbox = await startSandbox();
    sandbox.apply(pod('a'));
    const previous = Array.from({ length: 20 }, (_, index) => `${index} ${'y'.repeat(900)}`).join('\n');
    sandbox.setLog('monitoring', 'a', 'app', { previous });
    const read = await readLastLogLines(connectTo(sandbox), of, never);
    const told = read.ok ? read.lines : [];
    expect(told.map((line) => line.split(' ')[0])).toEqual(['16', '17', '18', '19']);
  });

  it('says why there is nothing', async () => {
    const sandbox = await startSandbox();
    sandbox.apply(pod('a'));
    const connection = connectTo(sandbox);
    const reason = async (more: Partial<typeof of> = {}) => {
      const read = await readLastLogLines(connection, { ...of, ...more }, never);
      return read.ok ? 'ok' : read.reason;
    };
    expect(await reason()).toBe('none');
    expect(await reason({ container: 'other' })).toBe('none');
    expect(await reason({ pod: 'gone' })).toBe('gone');
    sandbox.forbid({ resource: 'pods/log' });
    expect(await reason()).toBe('forbidden');
    sandbox.fault({ effect: 'reset' });
    expect(await reason()).toBe('unreachable');
  });
});

describe('reads of one object', () => {
  it('brings hashes of a ConfigMap and the certificate of a Secret, and nothing else of either', async () => {
    const sandbox = await startSandbox();
    const metadata = { name: 'x', namespace: 'monitoring' };
    const managed = (manager: string, time: string, fieldsV1: object) => ({ manager, time, fieldsV1 });
    const managedFields = [
      managed('helm', '2026-11-20T10:00:00Z', { 'f:data': {} }),
      managed('kubectl-edit', '2026-11-20T11:00:00Z', { 'f:data': { 'f:a': {} } }),
      managed('annotator', '2026-11-20T12:00:00Z', { 'f:metadata': { 'f:annotations': {} } }),
    ];
    const given = sandbox.apply({ kind: 'ConfigMap', metadata, data: { a: 's3cr3t' } });
    given.metadata['managedFields'] = managedFields;
    const data = { 'tls.crt': Buffer.from('PEM').toString('base64'), 'tls.key': 'czNjcjN0' };
    sandbox.apply({ kind: 'Secret', metadata, type: 'kubernetes.io/tls', data });
    const connection = connectTo(sandbox);
    const map = await readConfigMapHashes(connection, metadata, never);
    expect(map).toEqual({
      ok: true,
      uid: given.metadata['uid'],
      version: given.metadata['resourceVersion'],
      hashes: hashesOf({ a: 's3cr3t' }, {}),
      writer: { manager: 'kubectl-edit', at: new Date('2026-11-20T11:00:00Z') },
    });
    expect(JSON.stringify(map)).not.toContain('s3cr3t');
    expect(await readTlsCertificate(connection, metadata, never)).toEqual({
      ok: true,
      type: 'kubernetes.io/tls',
      pem: 'PEM',
    });
    const gone = { ...metadata, name: 'gone' };
    expect(await readTlsCertificate(connection, gone, never)).toMatchObject({ ok: false, kind: 'absent' });
  });
});
