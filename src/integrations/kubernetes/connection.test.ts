import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  cleanUp,
  connectTo,
  nothingChosen,
  pod,
  quickTimes,
  reflectorOf,
  startSandbox,
} from '../../../test/support/kube-reflector.ts';
import type { KubernetesSandbox } from '../../../sandbox/kubernetes/server.ts';
import { KubernetesConnection } from './connection.ts';
import { chooseCluster, type ClusterChoice } from './credentials.ts';
import { watchedTypes } from './resources.ts';

cleanUp();

const never = new AbortController().signal;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'gomon-kube-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function file(name: string, text: string): Promise<string> {
  const full = path.join(folder, name);
  await mkdir(path.dirname(full), { recursive: true });
  await writeFile(full, text);
  return full;
}

function connected(more: Partial<ClusterChoice>): KubernetesConnection {
  const chosen = chooseCluster({ ...nothingChosen, ...more });
  if (chosen.is !== 'chosen') throw new Error(chosen.reason);
  return new KubernetesConnection(chosen.source);
}

async function nodes(connection: KubernetesConnection): Promise<string> {
  const answer = await connection.call({ path: '/api/v1/nodes' }, never);
  await connection.close();
  return answer.ok ? 'ok' : `${answer.kind}: ${answer.detail}`;
}

describe('chooseCluster', () => {
  const choose = (more: Partial<ClusterChoice>) => {
    const chosen = chooseCluster({ ...nothingChosen, homeDir: folder, serviceAccountDir: folder, ...more });
    return chosen.is === 'chosen' ? chosen.source.kind : `${chosen.is}: ${chosen.reason}`;
  };
  const service = { host: '10.0.0.1', port: '443' };

  it('is off where nothing is found, instead of trying localhost', () => {
    expect(choose({})).toMatch(/^off: no cluster was found/);
  });

  it('takes the in-cluster account first, then the home folder', async () => {
    await file('.kube/config', '');
    expect(choose({ service })).toBe('kubeconfig');
    await file('token', 't');
    expect(choose({ service })).toBe('in-cluster');
    expect(choose({})).toBe('kubeconfig');
    expect(choose({ apiUrl: 'https://a', token: 't' })).toBe('url');
    expect(choose({ mode: 'off' })).toMatch(/^off/);
  });

  it('says what is wrong with what was named', () => {
    expect(choose({ kubeconfig: '/nowhere' })).toBe('wrong: there is no kubeconfig at /nowhere');
    expect(choose({ mode: 'kubeconfig' })).toMatch(/^wrong: there is no kubeconfig at/);
    expect(choose({ mode: 'in-cluster' })).toMatch(/^wrong: .*KUBERNETES_SERVICE_HOST/);
    expect(choose({ mode: 'in-cluster', service })).toMatch(/^wrong: .*no token at/);
    expect(choose({ mode: 'url' })).toMatch(/^wrong: .*apiUrl is not set/);
    expect(choose({ mode: 'url', apiUrl: 'https://a' })).toMatch(/^wrong: .*GOMON_KUBERNETES_TOKEN/);
    expect(choose({ mode: 'url', apiUrl: 'https://u:s3cr3t@a', token: 't' })).toMatch(/^wrong: (?!.*s3cr3t)/);
  });
});

describe('KubernetesConnection', () => {
  it('reads several kubeconfigs as one', async () => {
    const sandbox = await startSandbox({ tls: true });
    const whole = JSON.parse(sandbox.kubeconfig()) as Record<string, unknown>;
    const one = await file('one', JSON.stringify({ ...whole, users: [], 'current-context': '' }));
    const two = await file('two', JSON.stringify({ ...whole, clusters: [] }));
    const list = [path.join(folder, 'missing'), one, two].join(path.delimiter);
    expect(await nodes(connected({ kubeconfig: list }))).toBe('ok');
    expect(await nodes(connected({ kubeconfig: list, context: 'x' }))).toMatch(
      /no context "x"; it has "sandbox"/,
    );
    expect(await nodes(connected({ kubeconfig: one }))).toMatch(/^credentials: .*no current context/);
  });

  it('reads a token file of a kubeconfig', async () => {
    const sandbox = await startSandbox({ tls: true });
    await file('token', 'sandbox-token\n');
    const whole = JSON.parse(sandbox.kubeconfig()) as Record<string, unknown>;
    const users = [{ name: 'sandbox', user: { tokenFile: 'token' } }];
    const config = await file('config', JSON.stringify({ ...whole, users }));
    expect(await nodes(connected({ kubeconfig: config }))).toBe('ok');
  });

  it('reads the token of the in-cluster account again when it is refused', async () => {
    const sandbox = await startSandbox({ tls: true });
    const { port } = new URL(sandbox.url);
    await file('token', 'sandbox-token\n');
    await file('ca.crt', sandbox.caPem ?? '');
    const connection = connected({
      mode: 'in-cluster',
      service: { host: '127.0.0.1', port },
      serviceAccountDir: folder,
    });
    expect((await connection.call({ path: '/api/v1/nodes' }, never)).ok).toBe(true);
    sandbox.rotateToken('next');
    await file('token', 'next\n');
    expect(await nodes(connection)).toBe('ok');
    expect(sandbox.requests().map(({ code }) => code)).toEqual([200, 401, 200]);
  });

  it('asks twice only, where the credentials stay wrong', async () => {
    const sandbox = await startSandbox();
    expect(await nodes(connectTo(sandbox, { token: 's3cr3t' }))).toBe(
      'unauthorized: the API server answered 401 Unauthorized: Unauthorized',
    );
    expect(sandbox.requests()).toHaveLength(2);
  });

  it('tells no secret in any failure', async () => {
    const sandbox = await startSandbox({ tls: true });
    const told: string[] = [];
    const ask = async (more: Partial<ClusterChoice>) => told.push(await nodes(connected(more)));
    const url = { mode: 'url' as const, apiUrl: sandbox.url, token: 's3cr3t-token' };
    await ask(url);
    await ask({ ...url, caFile: await file('ca', sandbox.caPem ?? '') });
    await ask({ ...url, caFile: await file('broken', 's3cr3t') });
    await ask({ ...url, token: 's3cr3t\ntoken' });
    await ask({ ...url, apiUrl: 'https://127.0.0.1:1' });
    await ask({ kubeconfig: await file('a', 'users: [{name: s3cr3t, user: {token: s3cr3t') });
    await ask({ kubeconfig: await file('b', 's3cr3t') });
    const exec = { command: 'sh', args: ['-c', 'echo s3cr3t >&2; exit 1'] };
    const config = JSON.parse(sandbox.kubeconfig()) as Record<string, unknown>;
    await ask({
      kubeconfig: await file(
        'c',
        JSON.stringify({ ...config, users: [{ name: 'sandbox', user: { exec } }] }),
      ),
    });
    expect(told).toHaveLength(8);
    for (const text of told) expect(text).toMatch(/^(?!ok|.*s3cr3t)/);
    expect(told[0]).toMatch(/certificate of the API server is not accepted/);
    expect(told[4]).toMatch(/ECONNREFUSED/);
  });

  it('survives a plugin that fails, and takes what it says when it works', async () => {
    const sandbox = await startSandbox({ tls: true });
    const credential = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential' };
    const answer = JSON.stringify({ ...credential, status: { token: 'sandbox-token' } });
    const exec = { command: 'sh', args: ['-c', `test -e ${folder}/ready && echo '${answer}'`] };
    const config = JSON.parse(sandbox.kubeconfig()) as Record<string, unknown>;
    const users = [{ name: 'sandbox', user: { exec } }];
    const connection = connected({ kubeconfig: await file('c', JSON.stringify({ ...config, users })) });
    expect(await connection.call({ path: '/api/v1/nodes' }, never)).toMatchObject({ kind: 'credentials' });
    await file('ready', '');
    expect(await nodes(connection)).toBe('ok');
  });

  it('knows how far the clock of the server is from ours', async () => {
    const sandbox = await startSandbox({ now: () => new Date(Date.now() + 90_000) });
    const connection = connectTo(sandbox);
    expect(connection.skewMs).toBe(0);
    await connection.call({ path: '/version' }, never);
    expect(Math.abs(connection.skewMs - 90_000)).toBeLessThan(1_500);
  });

  it('gives up what takes too long, and takes another connection', async () => {
    const sandbox = await startSandbox({ tls: true });
    const connection = connectTo(sandbox, { caFile: await file('ca', sandbox.caPem ?? '') });
    sandbox.fault({ effect: 'hang' });
    expect(await connection.call({ path: '/api/v1/nodes', timeoutMs: 150 }, never)).toMatchObject({
      kind: 'timeout',
      detail: 'no answer of the API server within 150 ms',
    });
    expect(await nodes(connection)).toBe('ok');
    expect(sandbox.connections().total).toBe(2);
  });

  it('carries all watches over one connection, and all calls over another', async () => {
    const sandbox = await startSandbox({ tls: true, bookmarkEveryMs: 20 });
    const watched = await all(sandbox, await file('ca', sandbox.caPem ?? ''));
    expect(watched).toBe(watchedTypes.length);
    expect(sandbox.connections()).toEqual({ open: 2, total: 2 });
    sandbox.drop();
    await sandbox.waitFor(() => sandbox.watches.count() === watched);
    expect(sandbox.connections().total).toBeLessThanOrEqual(4);
  });

  it('leaves a connection over which a watch fell silent, and what still runs over it alone', async () => {
    const sandbox = await startSandbox({ tls: true, bookmarkEveryMs: 50 });
    const connection = connectTo(sandbox, { caFile: await file('ca', sandbox.caPem ?? '') });
    const times = { ...quickTimes, silenceMs: 1_000 };
    const [pods, nodesOf] = ['pods', 'nodes'].map((resource) =>
      reflectorOf(connection, resource, null, { times }),
    );
    await sandbox.waitFor(() => sandbox.watches.count() === 2);
    expect(sandbox.connections().total).toBe(2);
    sandbox.watches.silence({ resource: 'pods' });
    await sandbox.waitFor(() => sandbox.connections().total === 3);
    await sandbox.waitFor(() => pods?.reflector.freshness().state === 'streaming');
    expect(nodesOf?.events.map(({ kind }) => kind)).toEqual(['fresh']);
  });

  async function all(sandbox: KubernetesSandbox, caFile: string): Promise<number> {
    sandbox.apply(pod('one'));
    const connection = connectTo(sandbox, { caFile });
    const reflectors = watchedTypes.map(({ resource, scope }) =>
      reflectorOf(connection, resource, scope === 'cluster' ? null : 'monitoring'),
    );
    await sandbox.waitFor(() =>
      reflectors.every(({ reflector }) => reflector.freshness().state === 'streaming'),
    );
    return reflectors.length;
  }
});
