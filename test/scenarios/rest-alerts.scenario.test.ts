import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWorld, type World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld({ opsgenieStatusAsks: 0 });
});
afterAll(() => world.stop());

const post = (body: unknown, headers: Record<string, string> = {}) =>
  world.call('POST', '/api/v1/alerts', body, headers);

describe('POST /api/v1/alerts', () => {
  it('answers 201 for one new alert and 200 for one it knows', async () => {
    const alert = {
      title: 'Backup failed',
      severity: 'P2',
      source: 'cron',
      namespace: 'ops',
      description: 'exit 3',
      labels: { job: 'backup' },
      annotations: { log: 'x' },
      traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    };
    const first = await post(alert);
    expect(first).toMatchObject({ status: 201, body: { results: [{ outcome: 'created' }] } });
    const [{ id, fingerprint }] = first.body.results;
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    const again = await post(alert);
    expect(again).toMatchObject({
      status: 200,
      body: { results: [{ outcome: 'updated', id, fingerprint }] },
    });
    const stored = (await world.call('GET', `/api/v1/alerts/${id}`)).body;
    expect(stored).toMatchObject({
      source: 'api',
      title: 'Backup failed',
      severity: 'P2',
      namespace: 'ops',
      description: 'exit 3',
      labels: { job: 'backup', source: 'cron' },
      annotations: { log: 'x' },
      traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
      occurrences: 2,
      status: 'firing',
    });
    const array = await post([{ title: 'In an array' }]);
    expect(array).toMatchObject({ status: 201, body: { results: [{ outcome: 'created' }] } });
  });

  it('answers an array in its order, one by one', async () => {
    const answer = await post([
      { title: 'First', dedupKey: 'k-1' },
      { title: '' },
      { title: 'Third', dedupKey: 'k-3', status: 'resolved' },
      { title: 'Fourth', dedupKey: 'k-4', serverity: 'P1' },
      { title: 'First', dedupKey: 'k-1' },
      { title: 'First', dedupKey: 'k-1', status: 'resolved' },
      17,
    ]);
    expect(answer.status).toBe(200);
    const results: { outcome: string; reason?: string; fingerprint?: string }[] = answer.body.results;
    expect(results.map((one) => one.outcome)).toEqual([
      'created',
      'rejected',
      'ignored',
      'rejected',
      'updated',
      'resolved',
      'rejected',
    ]);
    expect(results[1]?.reason).toContain('title');
    expect(results[3]?.reason).toContain('did you mean "severity"');
    expect(results[0]?.fingerprint).toBe('k-1');
    await world.drain();
    // Fired and ended in one request: told once, as ended.
    const shown = world.slack
      .messages('#k8s-healthchecks')
      .filter((message) => message.text.includes('First'));
    expect(shown).toHaveLength(1);
    expect(shown[0]?.text).toMatch(/resolved/i);
  });

  it('answers an array of one as any array', async () => {
    expect(await post([{ bad: 1 }])).toMatchObject({
      status: 200,
      body: { results: [{ outcome: 'rejected', reason: expect.stringContaining('title') }] },
    });
    expect(await post([])).toMatchObject({ status: 200, body: { results: [] } });
  });

  it('is a 400 with the reason when the only alert is wrong', async () => {
    const wrong: [body: unknown, says: RegExp][] = [
      [{ titel: 'x' }, /title/],
      [{ title: 'x', labels: { a: { b: 1 } } }, /labels/],
      [{ title: 'x', startsAt: 'now' }, /startsAt/],
      [{ title: 'x', startsAt: '2026-11-20T08:00:00Z', endsAt: '2026-11-20T07:00:00Z' }, /endsAt/],
      [{ title: 'x', status: 'acknowledged' }, /status/],
      ['{"title":', /JSON/],
      ['', /JSON/],
      ['null', /./],
    ];
    for (const [body, says] of wrong) {
      const answer = await post(body);
      expect(answer.status, JSON.stringify(body)).toBe(400);
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
      expect(answer.body.detail).toMatch(says);
    }
  });

  it('takes 1,000 alerts and refuses 1,001 whole', async () => {
    const many = (count: number) =>
      Array.from({ length: count }, (_, i) => ({
        title: `Bulk ${i}`,
        severity: 'none',
        dedupKey: `bulk-${count}-${i}`,
      }));
    const tooMany = await post(many(1_001));
    expect(tooMany).toMatchObject({ status: 400, body: { detail: expect.stringContaining('1000') } });
    const all = await post(many(1_000));
    expect(all.status).toBe(200);
    expect(all.body.results.every((one: { outcome: string }) => one.outcome === 'created')).toBe(true);
    const [row] = await world.rows<{ count: number }>(
      "SELECT count(*)::int AS count FROM alerts_active WHERE fingerprint LIKE 'bulk-%'",
    );
    expect(row?.count).toBe(1_000);
  });

  it('puts an unknown severity at P3 and says so', async () => {
    const [result] = (await post({ title: 'Odd word', severity: 'spicy' })).body.results;
    const stored = (await world.call('GET', `/api/v1/alerts/${result.id}`)).body;
    expect(stored.severity).toBe('P3');
    expect(stored.decisions.find((one: { stage: string }) => one.stage === 'severity').reason).toContain(
      'spicy',
    );
    const [bare] = (await post({ title: 'Bare number', severity: '1' })).body.results;
    expect((await world.call('GET', `/api/v1/alerts/${bare.id}`)).body.severity).toBe('P3');
  });

  it('ends by itself when its end comes', async () => {
    const endsAt = new Date(world.clock.now().getTime() + 30_000).toISOString();
    const [result] = (await post({ title: 'Short lived', endsAt })).body.results;
    await world.drain();
    await world.advance(40_000);
    await world.drain();
    expect((await world.call('GET', `/api/v1/alerts/${result.id}`)).body).toMatchObject({
      status: 'resolved',
      resolvedAt: endsAt,
    });
  });

  it.each([
    ['no start is named', {}],
    ['the start named is not credible', { startsAt: '2099-01-01T00:00:00Z' }],
  ])('ends an alert by a clock that is behind ours where %s', async (name, start) => {
    const alert = { title: `Skewed: ${name}`, ...start };
    for (const outcome of ['created', 'updated']) {
      expect((await post(alert)).body.results).toMatchObject([{ outcome }]);
      // Cut to whole seconds, as `date` writes it.
      const endsAt = new Date(world.clock.now().getTime() - 5_000).toISOString().replace(/\.\d+Z$/, 'Z');
      const ended = await post({ title: alert.title, status: 'resolved', endsAt });
      expect(ended.body.results).toMatchObject([{ outcome: 'resolved' }]);
      // Once more, late: it was of the episode that is over.
      expect((await post(alert)).body.results).toMatchObject([{ outcome: 'updated' }]);
      const late = await post({ title: alert.title, status: 'resolved', endsAt });
      expect(late.body.results).toMatchObject([{ outcome: 'ignored' }]);
      await post({ title: alert.title, status: 'resolved' });
      await world.advance(60_000);
    }
  });

  it('resolves what repeats title, namespace and labels, whatever their order', async () => {
    const created = await post({ title: 'Same', namespace: 'a', labels: { x: '1', y: '2' } });
    const resolved = await post({
      title: 'Same',
      namespace: 'a',
      labels: { y: '2', x: '1' },
      status: 'resolved',
    });
    expect(resolved).toMatchObject({
      status: 200,
      body: { results: [{ outcome: 'resolved', id: created.body.results[0].id }] },
    });
    expect(await post({ title: 'Same', namespace: 'b', labels: { x: '1', y: '2' } })).toMatchObject({
      status: 201,
    });
  });
});

describe('Idempotency-Key', () => {
  const key = (name: string) => ({ 'Idempotency-Key': name });

  it('answers a repeat what the first one was answered, and changes nothing', async () => {
    const body = { title: 'Once only', dedupKey: 'idem-1' };
    const first = await post(body, key('key-1'));
    expect(first.status).toBe(201);
    const again = await post(body, key('key-1'));
    expect(again.status).toBe(201);
    expect(again.body).toEqual(first.body);
    expect((await world.alert('q=once%20only')).occurrences).toBe(1);
  });

  it('refuses another body under the same key, and stores nothing of it', async () => {
    const other = await post({ title: 'Something else', dedupKey: 'idem-2' }, key('key-1'));
    expect(other).toMatchObject({ status: 422, body: { detail: expect.stringContaining('key-1') } });
    expect((await world.call('GET', '/api/v1/alerts?q=something%20else')).body.items).toEqual([]);
  });

  it('belongs to the token that used it', async () => {
    const sender = await world.tokenFor('source');
    expect(
      await post({ title: 'Own keys', dedupKey: 'idem-3' }, { ...key('key-1'), ...sender }),
    ).toMatchObject({ status: 201 });
  });

  it('does the work once for two at the same time', async () => {
    const body = { title: 'At once', dedupKey: 'idem-4' };
    const answers = await Promise.all(Array.from({ length: 6 }, () => post(body, key('key-4'))));
    expect(answers.map((answer) => answer.status)).toEqual(Array.from({ length: 6 }, () => 201));
    expect(new Set(answers.map((answer) => answer.text)).size).toBe(1);
    expect((await world.alert('q=at%20once')).occurrences).toBe(1);
  });

  it('refuses a key that is too long', async () => {
    expect((await post({ title: 'x' }, key('k'.repeat(256)))).status).toBe(400);
  });
});

describe('what is hostile or large', () => {
  it('survives a round trip exactly and makes a valid message that mentions and links nobody', async () => {
    const nasty =
      'NUL \0 <!channel> <@U012AB3CD> <https://evil.example|click> `code` *bold* & < > "q" \u202e \ud83d\udd25 \\u0000 </script>';
    const labels = Object.fromEntries(
      Array.from({ length: 60 }, (_, i) => [`label-${i} <!here>`, `value ${i} ${nasty}`]),
    );
    const annotations = {
      long: `${nasty}${'ä'.repeat(10_000)}`,
      runbook_url: 'javascript:alert(1)',
      'k\0ey': 'v',
    };
    const [result] = (
      await post({
        title: `Hostile ${nasty}`,
        description: nasty.repeat(20),
        labels,
        annotations,
        severity: 'warning',
      })
    ).body.results;
    expect(result.outcome).toBe('created');
    await world.drain();
    const stored = (await world.call('GET', `/api/v1/alerts/${result.id}`)).body;
    expect(stored).toMatchObject({
      title: `Hostile ${nasty}`,
      description: nasty.repeat(20),
      labels,
      annotations,
    });
    expect(stored.links.runbook).toBeNull();
    const listed = await world.call(
      'GET',
      `/api/v1/alerts?${new URLSearchParams({ 'label.label-3 <!here>': `value 3 ${nasty}` }).toString()}`,
    );
    expect(listed.body.items.map((one: { id: string }) => one.id)).toEqual([result.id]);

    const message = world.slack.messages('#k8s-healthchecks').find((one) => one.text.includes('Hostile'));
    const shown = JSON.stringify([message?.text, message?.blocks]);
    for (const live of [
      '<!channel>',
      '<!here>',
      '<@U012AB3CD>',
      '<https://evil.example',
      'javascript:alert',
    ]) {
      expect(mrkdwnOf(message?.blocks ?? []).join('\n') + (message?.text ?? '')).not.toContain(live);
    }
    expect(shown.length).toBeGreaterThan(100);
    expect(world.slack.errors()).toEqual([]);
  });
});

/** Every text that Slack reads as markup. */
function mrkdwnOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(mrkdwnOf);
  if (typeof value !== 'object' || value === null) return [];
  if ('type' in value && value.type === 'mrkdwn' && 'text' in value) return [String(value.text)];
  return Object.values(value).flatMap(mrkdwnOf);
}
