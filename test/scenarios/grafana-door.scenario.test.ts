import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { grafanaAlert, grafanaWebhook } from '../fixtures/grafana.ts';
import { startWorld, type World } from '../support/world.ts';

const door = '/api/v1/webhooks/grafana';
const noToken = { authorization: '' };

function body(name: string, fingerprint: string): string {
  return JSON.stringify(grafanaWebhook([grafanaAlert({ name, fingerprint, severity: 'warning' })]));
}

/** As Grafana signs: hex, over the exact bytes, with the timestamp in front where there is one. */
function sign(secret: string, text: string, timestamp?: number): string {
  const hmac = createHmac('sha256', secret);
  return hmac.update(timestamp === undefined ? text : `${timestamp}:${text}`).digest('hex');
}

async function stored(world: World): Promise<{ alerts: number; deliveries: number }> {
  const [row] = await world.rows<{ alerts: number; deliveries: number }>(
    `SELECT (SELECT count(*)::int FROM alerts_active) AS alerts, (SELECT count(*)::int FROM deliveries) AS deliveries`,
  );
  return row ?? { alerts: -1, deliveries: -1 };
}

describe("Grafana's door with tokens", () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world.stop());

  it('takes POST and PUT, Bearer, and Basic with the token as the password', async () => {
    const sender = await world.tokenFor('source', 'grafana-1');
    const token = (sender['authorization'] ?? '').slice('Bearer '.length);
    const basic = { authorization: `Basic ${Buffer.from(`anybody:${token}`).toString('base64')}` };
    const answers = [
      await world.call('POST', door, body('By POST', 'd-1'), sender),
      await world.call('PUT', door, body('By PUT', 'd-2'), sender),
      await world.call('POST', door, body('By Basic', 'd-3'), basic),
    ];
    for (const answer of answers) {
      expect(answer).toMatchObject({ status: 200, body: { received: 1, created: 1, rejected: [] } });
      expect(answer.body.deliveryId).toMatch(/^[0-9a-f-]{36}$/);
    }
    await world.drain();
    expect(world.slack.messages('#k8s-healthchecks')).toHaveLength(3);
    expect(world.slack.calls('chat.postMessage')).toHaveLength(3);
  });

  it('refuses nobody, a stranger, a wrong scheme and a viewer, and stores nothing', async () => {
    const before = await stored(world);
    const refused = [
      [401, noToken],
      [401, { authorization: 'Bearer not-a-token' }],
      [401, { authorization: `Basic ${Buffer.from('admin:').toString('base64')}` }],
      [401, { authorization: 'Digest abc' }],
      [403, await world.tokenFor('viewer')],
    ] as const;
    for (const [status, headers] of refused) {
      const answer = await world.call('POST', door, body('Refused', 'd-refused'), headers);
      expect(answer.status).toBe(status);
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
      expect(answer.body).toMatchObject({ status, title: expect.any(String), detail: expect.any(String) });
    }
    expect(await stored(world)).toEqual(before);
  });

  it('stores a body just under 10 MiB and refuses 11 MiB by naming the limit', async () => {
    const limit = 10 * 1_024 * 1_024;
    const alert = grafanaAlert({ name: 'Long', fingerprint: 'd-long', severity: 'warning' });
    const bare = JSON.stringify({ ...grafanaWebhook([alert]), message: '' }).length;
    const fits = JSON.stringify({ ...grafanaWebhook([alert]), message: 'x'.repeat(limit - bare) });
    expect(fits.length).toBe(limit);
    expect(await world.call('POST', door, fits)).toMatchObject({ status: 200, body: { created: 1 } });
    const [kept] = await world.rows<{ body_bytes: number; body_encoding: string; size: number }>(
      `SELECT body_bytes, body_encoding, length(body) AS size FROM deliveries ORDER BY body_bytes DESC LIMIT 1`,
    );
    expect(kept).toMatchObject({ body_bytes: limit, body_encoding: 'zstd' });
    expect(kept?.size).toBeLessThan(limit / 100);

    const before = await stored(world);
    const over = JSON.stringify({ ...grafanaWebhook([alert]), message: 'x'.repeat(11 * 1_024 * 1_024) });
    const refused = await world.call('POST', door, over);
    expect(refused.status).toBe(413);
    expect(refused.headers.get('content-type')).toContain('application/problem+json');
    expect(refused.body.detail).toContain('10485760');
    expect(await stored(world)).toEqual(before);
  });

  it('says what it saw and what it expects when the body is something else, and keeps it', async () => {
    const others: [contentType: string, content: string, seen: RegExp][] = [
      ['application/json', '{"text":"Disk is full","color":"red"}', /text/],
      ['application/json', '[FIRING:1] Disk is full', /text|JSON/i],
      ['text/html', '<html><body>Sign in</body></html>', /HTML/i],
      ['application/x-www-form-urlencoded', 'payload=%7B%22a%22%3A1%7D', /form/i],
      ['application/json', '', /empty/i],
      ['application/json', '[]', /array|list/i],
      ['application/json', '{"alerts":"none"}', /alerts/],
    ];
    for (const [contentType, content, seen] of others) {
      const answer = await world.call('POST', door, content, { 'content-type': contentType });
      expect(answer.status, content).toBe(400);
      expect(answer.body.detail, content).toMatch(seen);
      expect(answer.body.detail).toMatch(/expected/i);
      const id = /kept as delivery ([0-9a-f-]{36})/.exec(answer.body.detail)?.[1];
      const [kept] = await world.rows<{ body: Buffer; outcome: { refused?: string } }>(
        'SELECT body, outcome FROM deliveries WHERE id = $1',
        [id],
      );
      expect(kept?.body.toString('utf8')).toBe(content);
      expect(kept?.outcome.refused).toMatch(seen);
    }
  });

  it('refuses a compressed body and never redirects', async () => {
    const compressed = await world.call('POST', door, 'xxxx', { 'content-encoding': 'gzip' });
    expect(compressed.status).toBe(415);
    const slashed = await world.call('POST', `${door}/`, body('Trailing slash', 'd-slash'));
    expect(slashed).toMatchObject({ status: 200, body: { created: 1 } });
    const wrong = await world.call('GET', door);
    expect(wrong.status).toBe(405);
    expect(wrong.headers.get('allow')).toBe('POST, PUT');
    expect(wrong.headers.get('content-type')).toContain('application/problem+json');
  });

  it('keeps the senders of two tenants apart', async () => {
    const one = await world.tokenFor('source', 'site-1', 'site-1');
    const two = await world.tokenFor('source', 'site-2', 'site-2');
    const text = body('Same everywhere', '57c6d9296de2ad39');
    expect((await world.call('POST', door, text, one)).body).toMatchObject({ created: 1 });
    expect((await world.call('POST', door, text, two)).body).toMatchObject({ created: 1 });
    expect((await world.call('POST', door, text, one)).body).toMatchObject({ created: 0, updated: 1 });
    const list = await world.call('GET', '/api/v1/alerts?q=same%20everywhere');
    expect(list.body.items).toHaveLength(2);
  });
});

describe("Grafana's door with signatures", () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld({ env: { GRAFANA_WEBHOOK_SECRET: 'old-secret, new-secret' } });
  });
  afterAll(() => world.stop());

  it('takes what either secret signed, over the exact bytes', async () => {
    // Go writes < > & as escapes, and spacing is the sender's: JSON put together again would not match.
    const text = ` ${body('Escaped \\u003c \\u0026', 's-1').replaceAll('","', '", "')}\n`;
    for (const secret of ['old-secret', 'new-secret']) {
      const headers = { ...noToken, 'X-Grafana-Alerting-Signature': sign(secret, text) };
      expect((await world.call('POST', door, text, headers)).status).toBe(200);
    }
    const [row] = await world.rows<{ sender: string }>('SELECT sender FROM deliveries LIMIT 1');
    expect(row?.sender).toBe('signature');
  });

  it('refuses a wrong, missing, cut or prefixed signature with the reason, and stores nothing', async () => {
    const before = await stored(world);
    const text = body('Forged', 's-forged');
    const right = sign('new-secret', text);
    const bad: Record<string, string>[] = [
      {},
      { 'X-Grafana-Alerting-Signature': '' },
      { 'X-Grafana-Alerting-Signature': sign('wrong', text) },
      { 'X-Grafana-Alerting-Signature': right.slice(0, 63) },
      { 'X-Grafana-Alerting-Signature': sign('new-secret', `${text} `) },
    ];
    for (const headers of bad) {
      // The admin's token does not help: a signature is required once a secret is set.
      const answer = await world.call('POST', door, text, headers);
      expect(answer.status).toBe(401);
      expect(answer.body.detail).toContain('X-Grafana-Alerting-Signature');
      expect(answer.text).not.toContain(right);
      expect(answer.text).not.toContain('new-secret');
    }
    expect(await stored(world)).toEqual(before);
  });
});

describe("Grafana's door with signed timestamps", () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld({
      env: {
        GRAFANA_WEBHOOK_SECRET: 'secret',
        GRAFANA_SIGNATURE_HEADER: 'X-Our-Signature',
        GRAFANA_TIMESTAMP_HEADER: 'X-Our-Time',
      },
    });
  });
  afterAll(() => world.stop());

  const send = (text: string, timestamp: number, secret = 'secret') =>
    world.call('POST', door, text, {
      ...noToken,
      'X-Our-Signature': sign(secret, text, timestamp),
      'X-Our-Time': String(timestamp),
    });

  it('takes what is at most 5 minutes off, either way', async () => {
    const nowS = Math.floor(Date.now() / 1_000);
    for (const offset of [0, -290, 290]) {
      expect((await send(body(`At ${offset}`, `t-${offset}`), nowS + offset)).status).toBe(200);
    }
  });

  it('refuses stale, future, missing and unsigned times, and stores nothing', async () => {
    const before = await stored(world);
    const nowS = Math.floor(Date.now() / 1_000);
    const text = body('Too late', 't-late');
    const stale = await send(text, nowS - 310);
    expect(stale).toMatchObject({ status: 401, body: { detail: expect.stringContaining('old') } });
    const future = await send(text, nowS + 310);
    expect(future).toMatchObject({ status: 401, body: { detail: expect.stringContaining('in the future') } });
    const without = await world.call('POST', door, text, { 'X-Our-Signature': sign('secret', text) });
    expect(without).toMatchObject({ status: 401, body: { detail: expect.stringContaining('X-Our-Time') } });
    const swapped = await world.call('POST', door, text, {
      'X-Our-Signature': sign('secret', text, nowS - 200),
      'X-Our-Time': String(nowS),
    });
    expect(swapped.status).toBe(401);
    expect(await stored(world)).toEqual(before);
  });
});
