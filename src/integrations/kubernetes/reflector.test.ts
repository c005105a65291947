import { describe, expect, it } from 'vitest';
import {
  cleanUp,
  connectTo,
  pod,
  quickTimes,
  reflectorOf,
  startSandbox,
  type Watched,
} from '../../../test/support/kube-reflector.ts';
import { status } from '../../../sandbox/kubernetes/status.ts';
import type { KubernetesSandbox } from '../../../sandbox/kubernetes/server.ts';

cleanUp();

/** A sandbox with pod "one", and a reflector that streams. */
async function streaming(
  more: Parameters<typeof reflectorOf>[3] = {},
): Promise<{ sandbox: KubernetesSandbox; watched: Watched }> {
  const sandbox = await startSandbox();
  sandbox.apply(pod('one'));
  const watched = reflectorOf(connectTo(sandbox), 'pods', 'monitoring', more);
  await streams(sandbox, watched);
  return { sandbox, watched };
}

async function streams(sandbox: KubernetesSandbox, watched: Watched): Promise<void> {
  await sandbox.waitFor(
    () => watched.reflector.freshness().state === 'streaming' && sandbox.watches.count() === 1,
  );
}

const count = (sandbox: KubernetesSandbox, verb: string): number =>
  sandbox.requests().filter((request) => request.verb === verb).length;

describe('Reflector', () => {
  it('lists, then follows what happens', async () => {
    const { sandbox, watched } = await streaming();
    sandbox.apply(pod('two'));
    sandbox.patch('pods', 'monitoring', 'one', { status: { phase: 'Failed' } });
    sandbox.remove('pods', 'monitoring', 'two');
    await sandbox.waitFor(() => watched.changes.length === 4);
    expect(watched.told()).toEqual(['added one', 'added two', 'modified one', 'deleted two']);
    expect(watched.changes[2]?.old?.status).toEqual({ phase: 'Running' });
    expect(watched.changes[2]?.object.status).toEqual({ phase: 'Failed' });
    expect(watched.names()).toEqual(['one']);
    expect(watched.reflector.freshness().heardAt).toBeInstanceOf(Date);
  });

  it('asks as it should', async () => {
    const { sandbox } = await streaming();
    const [listed, watch] = sandbox.requests();
    expect(listed?.query).toEqual({ limit: '500' });
    const { resourceVersion, timeoutSeconds, ...rest } = watch?.query ?? {};
    expect(rest).toEqual({ watch: 'true', allowWatchBookmarks: 'true' });
    expect(resourceVersion).toMatch(/^\d+$/);
    expect(Number(timeoutSeconds)).toBe(300);
    expect(watch?.userAgent).toMatch(/^gomon\//);
  });

  it('keeps raw objects with their kind, without managed fields and the last applied configuration', async () => {
    const sandbox = await startSandbox();
    const applied = { 'kubectl.kubernetes.io/last-applied-configuration': '{}', team: 'x' };
    sandbox.apply({ ...pod('one'), metadata: { ...pod('one').metadata, annotations: applied } });
    const watched = reflectorOf(connectTo(sandbox), 'pods', 'monitoring');
    await streams(sandbox, watched);
    sandbox.apply({ ...pod('two'), metadata: { ...pod('two').metadata, annotations: applied } });
    await sandbox.waitFor(() => watched.changes.length === 2);
    for (const { object } of watched.changes) {
      expect(object.kind).toBe('Pod');
      expect(object.apiVersion).toBe('v1');
      expect(object.metadata.annotations).toEqual({ team: 'x' });
      expect(object.metadata).not.toHaveProperty('managedFields');
      expect(object.metadata.creationTimestamp).toEqual(expect.any(String));
      expect(object['lastManaged']).toEqual({ manager: 'sandbox', at: expect.any(String) });
    }
  });

  it('lists thousands in pages, and watches from the version of the list', async () => {
    const sandbox = await startSandbox();
    for (let index = 0; index < 3_210; index += 1) sandbox.apply(pod(`pod-${index}`));
    const watched = reflectorOf(connectTo(sandbox), 'pods', 'monitoring');
    await streams(sandbox, watched);
    expect(watched.names()).toHaveLength(3_210);
    expect(new Set(watched.told()).size).toBe(3_210);
    expect(count(sandbox, 'list')).toBe(7);
    sandbox.apply(pod('new'));
    await sandbox.waitFor(() => watched.told().at(-1) === 'added new');
  });

  it('lists anew and whole when the rest of a list has expired', async () => {
    const sandbox = await startSandbox();
    for (let index = 0; index < 700; index += 1) sandbox.apply(pod(`pod-${index}`));
    const connection = connectTo(sandbox);
    const call = connection.call.bind(connection);
    connection.call = async (...given) => {
      const answer = await call(...given);
      // Between the first page and the second.
      if (count(sandbox, 'list') === 1) sandbox.compact();
      return answer;
    };
    const watched = reflectorOf(connection, 'pods', 'monitoring');
    await streams(sandbox, watched);
    expect(watched.changes).toHaveLength(700);
    expect(sandbox.requests().map(({ query }) => [query['limit'], query['continue'] !== undefined])).toEqual([
      ['500', false],
      ['500', true],
      [undefined, false],
      [undefined, false],
    ]);
    expect(watched.events.filter(({ kind }) => kind === 'trouble')).toEqual([]);
  });

  it('goes on after the server ends a watch, without a list, a failure or a gap', async () => {
    const { sandbox, watched } = await streaming({ times: { ...quickTimes, soundMs: 0 } });
    for (let round = 1; round <= 3; round += 1) {
      sandbox.watches.close();
      sandbox.apply(pod(`between-${round}`));
      await sandbox.waitFor(() => watched.names().includes(`between-${round}`));
    }
    expect(count(sandbox, 'list')).toBe(1);
    expect(watched.events.map(({ kind }) => kind)).toEqual(['fresh']);
    expect(watched.told()).toEqual(['added one', 'added between-1', 'added between-2', 'added between-3']);
  });

  it('does not flood a server that ends every watch at once', async () => {
    const { sandbox, watched } = await streaming();
    sandbox.watches.close();
    await sandbox.waitFor(() => watched.events.some(({ kind }) => kind === 'trouble'));
    await streams(sandbox, watched);
    expect(watched.events.find(({ kind }) => kind === 'trouble')).toMatchObject({ attempts: 1 });
  });

  it('goes on from where it was after a reset', async () => {
    const { sandbox, watched } = await streaming();
    sandbox.watches.reset();
    sandbox.apply(pod('meanwhile'));
    sandbox.remove('pods', 'monitoring', 'one');
    await sandbox.waitFor(() => watched.changes.length === 3);
    expect(watched.told()).toEqual(['added one', 'added meanwhile', 'deleted one']);
    expect(count(sandbox, 'list')).toBe(1);
  });

  it('goes on from the version of a bookmark', async () => {
    let heard = 0;
    const { sandbox, watched } = await streaming({ now: () => new Date((heard += 1)) });
    // Elsewhere much happens, and is forgotten.
    for (let index = 0; index < 5; index += 1) sandbox.apply(pod(`else-${index}`, 'Running', 'other'));
    const before = heard;
    sandbox.watches.bookmark();
    await sandbox.waitFor(() => heard > before);
    sandbox.compact();
    sandbox.watches.reset();
    await sandbox.waitFor(() => count(sandbox, 'watch') === 2);
    await streams(sandbox, watched);
    sandbox.apply(pod('two'));
    await sandbox.waitFor(() => watched.names().length === 2);
    expect(count(sandbox, 'list')).toBe(1);
  });

  it.each(['in the stream', 'by the status'])(
    'lists anew on 410 %s, and tells the difference only',
    async (how) => {
      const { sandbox, watched } = await streaming();
      sandbox.apply(pod('stays'));
      await sandbox.waitFor(() => watched.names().length === 2);
      if (how === 'by the status')
        sandbox.fault({ verb: 'watch', effect: 'status', status: status(410, 'Gone', 'too old') });
      sandbox.watches.silence();
      sandbox.remove('pods', 'monitoring', 'one');
      sandbox.apply(pod('two'));
      sandbox.compact();
      sandbox.watches.reset();
      await sandbox.waitFor(() => watched.names().includes('two'));
      await streams(sandbox, watched);
      expect(watched.told()).toEqual(['added one', 'added stays', 'deleted one', 'added two']);
      expect(watched.events.filter(({ kind }) => kind === 'relist')).toHaveLength(1);
      expect(count(sandbox, 'list')).toBe(2);
    },
  );

  it('sees another object under the same name after a relist', async () => {
    const { sandbox, watched } = await streaming();
    const { uid } = watched.changes[0]?.object.metadata ?? {};
    sandbox.watches.silence();
    sandbox.remove('pods', 'monitoring', 'one');
    sandbox.apply(pod('one'));
    sandbox.compact();
    sandbox.watches.reset();
    await sandbox.waitFor(() => watched.changes.length === 3);
    expect(watched.told()).toEqual(['added one', 'deleted one', 'added one']);
    expect(watched.changes[2]?.object.metadata.uid).not.toBe(uid);
  });

  it('lists anew on any other error within the stream', async () => {
    const { sandbox, watched } = await streaming();
    sandbox.watches.error(status(500, 'InternalError', 'etcd event received with PrevKv=nil'));
    await sandbox.waitFor(() => count(sandbox, 'list') === 2);
    await streams(sandbox, watched);
    expect(watched.told()).toEqual(['added one']);
  });

  it.each(['{"type":"ADDED","object":\n', 'not json\n', '{"type":"NEW","object":{}}\n', 'null\n'])(
    'survives what is no event: %j',
    async (text) => {
      const { sandbox, watched } = await streaming();
      sandbox.watches.garble(text);
      await sandbox.waitFor(() => count(sandbox, 'list') === 2);
      await streams(sandbox, watched);
      expect(watched.told()).toEqual(['added one']);
    },
  );

  it('leaves a connection that fell silent, and misses nothing', async () => {
    const sandbox = await startSandbox({ bookmarkEveryMs: 50 });
    sandbox.apply(pod('one'));
    const watched = reflectorOf(connectTo(sandbox), 'pods', 'monitoring', {
      times: { ...quickTimes, silenceMs: 1_000 },
    });
    await streams(sandbox, watched);
    await sandbox.waitFor(() => count(sandbox, 'watch') === 1);
    sandbox.watches.silence();
    sandbox.apply(pod('unheard'));
    await sandbox.waitFor(() => watched.names().includes('unheard'));
    expect([count(sandbox, 'list'), count(sandbox, 'watch')]).toEqual([1, 2]);
  });

  it('does not take silence for trouble where no bookmarks are known', async () => {
    const sandbox = await startSandbox();
    sandbox.apply(pod('one'));
    const watched = reflectorOf(connectTo(sandbox), 'pods', 'monitoring', {
      times: { ...quickTimes, silenceMs: 100 },
    });
    await sandbox.waitFor(() => count(sandbox, 'watch') === 4);
    expect(watched.events.map(({ kind }) => kind)).toEqual(['fresh']);
    expect(watched.reflector.freshness().state).toBe('streaming');
    expect(count(sandbox, 'list')).toBe(1);
  });

  it('does not take one bookmark that is left out for trouble', async () => {
    const sandbox = await startSandbox();
    const watched = reflectorOf(connectTo(sandbox), 'pods', 'monitoring', {
      times: { ...quickTimes, silenceMs: 1_000, soundMs: 1 },
    });
    await streams(sandbox, watched);
    sandbox.watches.bookmark();
    sandbox.watches.close();
    await sandbox.waitFor(() => count(sandbox, 'watch') === 3);
    sandbox.watches.bookmark();
    expect(watched.events.map(({ kind }) => kind)).toEqual(['fresh']);
    expect([count(sandbox, 'list'), watched.reflector.freshness().state]).toEqual([1, 'streaming']);
  });

  it('takes it for trouble when the server sent bookmarks before, and says nothing at all any more', async () => {
    const sandbox = await startSandbox();
    const watched = reflectorOf(connectTo(sandbox), 'pods', 'monitoring', {
      times: { ...quickTimes, silenceMs: 100 },
    });
    await streams(sandbox, watched);
    sandbox.watches.bookmark();
    await sandbox.waitFor(() => watched.events.some(({ kind }) => kind === 'trouble'));
    expect(watched.events).toContainEqual(
      expect.objectContaining({ kind: 'trouble', detail: expect.stringContaining('nothing came') }),
    );
    expect(count(sandbox, 'watch')).toBeGreaterThanOrEqual(2);
  });

  it('asks for short watches of events, of which no bookmarks come', async () => {
    const sandbox = await startSandbox({ bookmarkEveryMs: 20 });
    const watched = reflectorOf(connectTo(sandbox), 'events', 'monitoring', {
      times: { ...quickTimes, watchSecondsUnmarked: [1, 1], soundMs: 500 },
    });
    await sandbox.waitFor(() => count(sandbox, 'watch') === 2);
    expect(watched.events.map(({ kind }) => kind)).toEqual(['fresh']);
    expect(count(sandbox, 'list')).toBe(1);
  });

  it('is kept alive by bookmarks alone', async () => {
    const sandbox = await startSandbox({ bookmarkEveryMs: 20 });
    const watched = reflectorOf(connectTo(sandbox), 'pods', 'monitoring', {
      times: { ...quickTimes, silenceMs: 1_500 },
    });
    await streams(sandbox, watched);
    const first = watched.reflector.freshness().heardAt?.getTime() ?? 0;
    await sandbox.waitFor(() => (watched.reflector.freshness().heardAt?.getTime() ?? 0) > first + 2_000);
    expect(count(sandbox, 'watch')).toBe(1);
  });

  it('waits out a list without an answer', async () => {
    const sandbox = await startSandbox();
    sandbox.apply(pod('one'));
    sandbox.fault({ verb: 'list', effect: 'hang' });
    const watched = reflectorOf(connectTo(sandbox), 'pods', 'monitoring', {
      times: { ...quickTimes, pageMs: 200 },
    });
    await streams(sandbox, watched);
    expect(watched.names()).toEqual(['one']);
  });

  it.each([
    { effect: 'reset' },
    { effect: 'cut' },
    { effect: 'html', code: 502 },
    { effect: 'html', code: 200 },
    { effect: 'status', status: status(500, 'InternalError', 'etcdserver: request timed out') },
    { effect: 'status', status: status(504, 'Timeout', 'Too large resource version') },
  ] as const)('survives $effect', async (effect) => {
    const sandbox = await startSandbox();
    sandbox.apply(pod('one'));
    sandbox.fault({ ...effect, times: 3 });
    const watched = reflectorOf(connectTo(sandbox), 'pods', 'monitoring');
    await streams(sandbox, watched);
    expect(watched.told()).toEqual(['added one']);
    const troubles = watched.events.flatMap((event) => (event.kind === 'trouble' ? [event.attempts] : []));
    expect(troubles).toEqual([1, 2, 3]);
  });

  it('honours Retry-After, in the list and in the watch', async () => {
    const sandbox = await startSandbox();
    sandbox.fault({ verb: 'list', effect: 'throttle', retryAfterSeconds: 1 });
    const began = performance.now();
    const watched = reflectorOf(connectTo(sandbox), 'pods', 'monitoring');
    await streams(sandbox, watched);
    expect(performance.now() - began).toBeGreaterThan(950);
    expect(watched.events).toContainEqual(
      expect.objectContaining({ kind: 'trouble', detail: expect.stringContaining('429') }),
    );
  });

  it('reads the credentials anew on 401 and goes on', async () => {
    const { sandbox, watched } = await streaming();
    sandbox.rotateToken('another');
    sandbox.watches.reset();
    await sandbox.waitFor(() => watched.events.some(({ kind }) => kind === 'trouble'));
    expect(watched.reflector.freshness().state).toBe('backoff');
    sandbox.rotateToken('sandbox-token');
    await streams(sandbox, watched);
    expect(count(sandbox, 'list')).toBe(1);
  });

  it.each([
    ['forbidden', (sandbox: KubernetesSandbox) => sandbox.forbid({ resource: 'pods' })],
    ['absent', (sandbox: KubernetesSandbox) => sandbox.withdraw('pods')],
  ] as const)('is off with one message where it is %s, and tries again', async (state, break_) => {
    const sandbox = await startSandbox();
    sandbox.apply(pod('one'));
    break_(sandbox);
    const watched = reflectorOf(connectTo(sandbox), 'pods', 'monitoring');
    await sandbox.waitFor(() => sandbox.requests().length >= 3);
    expect(watched.reflector.freshness().state).toBe(state);
    expect(watched.events).toHaveLength(1);
    expect(watched.events[0]).toMatchObject({ kind: 'off', state });
    sandbox.allow();
    sandbox.restore('pods');
    await streams(sandbox, watched);
    expect(watched.told()).toEqual(['added one']);
    expect(watched.events.map(({ kind }) => kind)).toEqual(['off', 'fresh']);
  });

  it('believes what it held when the right is taken away, but not for ever', async () => {
    const { sandbox, watched } = await streaming({ times: { ...quickTimes, offMs: 3_600_000 } });
    sandbox.forbid({ resource: 'pods' });
    sandbox.watches.reset();
    await sandbox.waitFor(() => watched.reflector.freshness().state === 'forbidden');
    expect(watched.names()).toEqual(['one']);
    watched.reflector.retryNow();
    await sandbox.waitFor(() => watched.names().length === 0);
    expect(watched.told()).toEqual(['added one', 'deleted one']);
    sandbox.allow();
    watched.reflector.retryNow();
    await streams(sandbox, watched);
    expect(watched.told()).toEqual(['added one', 'deleted one', 'added one']);
  });

  it('holds only names of Secrets, also where a server sends more', async () => {
    const sandbox = await startSandbox();
    const secret = (name: string) => ({
      kind: 'Secret',
      metadata: {
        name,
        namespace: 'monitoring',
        annotations: { 'kubectl.kubernetes.io/last-applied-configuration': 'czNjcjN0' },
      },
      type: 'Opaque',
      data: { password: 'czNjcjN0' },
    });
    sandbox.apply(secret('listed'));
    const watched = reflectorOf(connectTo(sandbox), 'secrets', 'monitoring');
    await streams(sandbox, watched);
    sandbox.apply(secret('watched'));
    await sandbox.waitFor(() => watched.names().length === 2);
    expect(sandbox.requests().map(({ accept }) => accept)).toEqual([
      'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1',
      'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1',
    ]);
    const changed = { ...watched.changes[1]?.object.metadata, resourceVersion: '999999' };
    sandbox.watches.garble(
      `${JSON.stringify({ type: 'MODIFIED', object: { ...secret('watched'), metadata: changed } })}\n`,
    );
    await sandbox.waitFor(() => watched.changes.length === 3);
    expect(JSON.stringify(watched.changes)).not.toContain('czNjcjN0');
    expect(watched.changes[0]?.object.kind).toBe('Secret');
  });

  it('gives up a collection that is larger than may be kept', async () => {
    const sandbox = await startSandbox();
    for (let index = 0; index < 30; index += 1) sandbox.apply(pod(`pod-${index}`));
    const watched = reflectorOf(connectTo(sandbox), 'pods', 'monitoring', {
      maxObjects: 20,
      times: { ...quickTimes, offMs: 3_600_000 },
    });
    await sandbox.waitFor(() => watched.events.length === 1);
    expect(watched.reflector.freshness()).toMatchObject({
      state: 'stopped',
      detail: expect.stringContaining('more pods'),
    });
    expect(watched.changes).toEqual([]);
  });

  it('is not stopped by those it tells', async () => {
    const sandbox = await startSandbox();
    sandbox.apply(pod('one'));
    const told: string[] = [];
    const watched = reflectorOf(connectTo(sandbox), 'pods', 'monitoring', {
      emit: (change) => {
        told.push(change.object.metadata.name);
        throw new Error('a bug of somebody else');
      },
      observe: () => {
        throw new Error('another');
      },
    });
    await streams(sandbox, watched);
    sandbox.apply(pod('two'));
    await sandbox.waitFor(() => told.length === 2);
    expect(watched.names()).toEqual(['one', 'two']);
  });

  it('stops for good, in the list and in the watch, and can start again', async () => {
    const { sandbox, watched } = await streaming();
    await watched.reflector.stop();
    await sandbox.waitFor(() => sandbox.watches.count() === 0);
    expect(watched.reflector.freshness().state).toBe('stopped');
    const before = sandbox.requests().length;
    sandbox.fault({ verb: 'watch', effect: 'hang' });
    watched.reflector.start();
    watched.reflector.start();
    await sandbox.waitFor(() => sandbox.requests().length === before + 1);
    await watched.reflector.stop();
    watched.reflector.start();
    await streams(sandbox, watched);
    expect(sandbox.requests()).toHaveLength(before + 2);
    expect(watched.told()).toEqual(['added one']);
  });
});

describe('Reflector of events', () => {
  const event = (name: string, ageMs: number) => ({
    kind: 'Event',
    metadata: { name, namespace: 'monitoring' },
    lastTimestamp: new Date(Date.now() - ageMs).toISOString(),
    reason: 'BackOff',
    count: 1,
  });

  it('holds old events of a list, but tells only what is new, once', async () => {
    const sandbox = await startSandbox();
    sandbox.apply(event('old', 1_800_000));
    const watched = reflectorOf(connectTo(sandbox), 'events', 'monitoring');
    await streams(sandbox, watched);
    sandbox.apply(event('new', -1_000));
    await sandbox.waitFor(() => watched.changes.length === 1);
    sandbox.watches.silence();
    sandbox.apply(event('replayed', 60_000));
    sandbox.apply(event('newer', -2_000));
    sandbox.compact();
    sandbox.watches.reset();
    await sandbox.waitFor(() => watched.changes.length === 2);
    expect(watched.told()).toEqual(['added new', 'added newer']);
    expect(watched.names()).toEqual(['new', 'newer', 'old', 'replayed']);
  });

  it('forgets the oldest when there are too many', async () => {
    const sandbox = await startSandbox();
    for (let index = 0; index < 12; index += 1)
      sandbox.apply(event(`event-${index}`, 60_000 - index * 1_000));
    const watched = reflectorOf(connectTo(sandbox), 'events', 'monitoring', { maxObjects: 10 });
    await streams(sandbox, watched);
    expect(watched.names()).toHaveLength(10);
    expect(watched.names()).not.toContain('event-0');
    for (let index = 0; index < 5; index += 1) sandbox.apply(event(`late-${index}`, -1_000));
    await sandbox.waitFor(() => watched.names().includes('late-4'));
    expect(watched.names()).toHaveLength(10);
  });
});
