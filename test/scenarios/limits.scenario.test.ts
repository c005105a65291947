import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { text as textOf } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { alertmanagerAlert, alertmanagerWebhook } from '../fixtures/alertmanager.ts';
import { grafanaAlert, grafanaWebhook } from '../fixtures/grafana.ts';
import { connectTo, sendBytes } from '../support/raw-http.ts';
import {
  adminToken,
  type Answer,
  opsgenieWebhookSecret,
  slackSigningSecret,
  startWorld,
  type World,
} from '../support/world.ts';

const json = { 'content-type': 'application/json' };

function slackSigned(body: string, nowMs = Date.now()): Record<string, string> {
  const timestamp = String(Math.floor(nowMs / 1_000));
  const signature = createHmac('sha256', slackSigningSecret).update(`v0:${timestamp}:${body}`).digest('hex');
  return {
    authorization: '',
    'content-type': 'application/x-www-form-urlencoded',
    'x-slack-request-timestamp': timestamp,
    'x-slack-signature': `v0=${signature}`,
  };
}

/** By name; `toEqual` does not see a property that is called `__proto__`. */
function sorted(map: unknown): [name: string, value: unknown][] {
  return Object.entries(map as object).toSorted(([one], [other]) => (one < other ? -1 : 1));
}

function expectProblem(answer: Answer, status: number, path = ''): void {
  expect(answer.status, answer.text).toBe(status);
  // A 4xx of Alertmanager's API is a text of JSON.
  if (path.startsWith('/api/v2/') && status < 500) {
    expect(answer.headers.get('content-type')).toContain('application/json');
    expect(answer.body).toEqual(expect.any(String));
    return;
  }
  expect(answer.headers.get('content-type')).toContain('application/problem+json');
  expect(answer.body).toMatchObject({ status, title: expect.any(String), detail: expect.any(String) });
}

describe('an address that sends what nobody vouches for', () => {
  let world: World;
  const burst = 5;
  beforeAll(async () => {
    world = await startWorld({
      opsgenieStatusAsks: 0,
      env: { GRAFANA_WEBHOOK_SECRET: 'graf-secret' },
      // Slow enough for no token to flow back during a test.
      settings: { server: { rateLimit: { perAddress: { requestsPerSecond: 0.1, burst } } } },
    });
    for (let count = 0; count < burst; count += 1) {
      const guess = await world.call('GET', '/api/v1/alerts', undefined, {
        authorization: `Bearer ${count}`,
      });
      expectProblem(guess, 401);
    }
  });
  afterAll(() => world.stop());

  it('is answered 429 with the seconds to wait, whatever it asks for next', async () => {
    for (const [method, path, headers] of [
      ['GET', '/api/v1/alerts', { authorization: 'Bearer another' }],
      ['GET', '/api/v1/alerts', { authorization: '' }],
      ['DELETE', '/api/v1/alerts/0199f3c2-7a31-7cc4-9f0e-2b1c6d1e8a55', { authorization: '' }],
      ['GET', '/no/such/path', { authorization: '' }],
      ['GET', '/api/v1/openapi.json', { authorization: '' }],
      ['GET', '/docs/', { authorization: '' }],
      ['POST', '/api/v1/slack/webhooks/interactions', { authorization: '' }],
      ['POST', '/api/v1/webhooks/opsgenie', { authorization: '' }],
    ] as const) {
      const held = await world.call(method, path, undefined, headers);
      expectProblem(held, 429);
      expect(Number(held.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    }
  });

  it('is answered 503 where alerts come in: their senders give up on 429', async () => {
    for (const path of [
      '/api/v1/alerts',
      '/api/v2/alerts',
      '/api/v1/webhooks/alertmanager',
      '/api/v1/webhooks/grafana',
    ]) {
      const held = await world.call('POST', path, '{}', { authorization: 'Bearer wrong', ...json });
      expectProblem(held, 503);
      expect(Number(held.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    }
  });

  it('does not hold back who has a valid token, signature or secret', async () => {
    expect((await world.call('GET', '/api/v1/alerts')).status).toBe(200);
    const fresh = await world.tokenFor('source');
    expect((await world.call('POST', '/api/v1/alerts', { title: 'In time' }, fresh)).status).toBe(201);
    const body = JSON.stringify(grafanaWebhook([grafanaAlert({ severity: 'none' })]));
    const signature = createHmac('sha256', 'graf-secret').update(body).digest('hex');
    const signed = { authorization: '', 'x-grafana-alerting-signature': signature, ...json };
    expect((await world.call('POST', '/api/v1/webhooks/grafana', body, signed)).status).toBe(200);
    const form = `payload=${encodeURIComponent('{"type":"shortcut"}')}`;
    const clicked = await world.call('POST', '/api/v1/slack/webhooks/interactions', form, slackSigned(form));
    expect(clicked.status, clicked.text).toBe(200);
    const told = { authorization: '', 'x-gomon-webhook-secret': opsgenieWebhookSecret, ...json };
    const change = { action: 'Acknowledge', alert: { alertId: 'a-1', alias: 'x' } };
    expect((await world.call('POST', '/api/v1/webhooks/opsgenie', change, told)).status).toBe(200);
  });

  it('may still probe and scrape', async () => {
    for (const path of ['/healthz', '/readyz', '/metrics'])
      for (let count = 0; count < 2 * burst; count += 1)
        expect((await world.call('GET', path, undefined, { authorization: '' })).status).toBe(200);
  });

  it('gets no second purse by claiming to be somebody else', async () => {
    const forwarded = { authorization: '', 'x-forwarded-for': '203.0.113.9' };
    expectProblem(await world.call('GET', '/api/v1/alerts', undefined, forwarded), 429);
  });
});

describe('behind a trusted proxy', () => {
  it('addresses are told apart by what the proxy says', async () => {
    const world = await startWorld({
      settings: {
        server: {
          trustedProxies: ['127.0.0.1', '::1'],
          rateLimit: { perAddress: { requestsPerSecond: 0.1, burst: 2 } },
        },
      },
    });
    try {
      const from = async (address: string): Promise<number> =>
        (
          await world.call('GET', '/api/v1/alerts', undefined, {
            authorization: '',
            'x-forwarded-for': address,
          })
        ).status;
      const one = '203.0.113.9';
      expect([await from(one), await from(one), await from(one)]).toEqual([401, 401, 429]);
      expect(await from('203.0.113.10')).toBe(401);
      expect([
        await from('2001:db8:0:1::1'),
        await from('2001:db8:0:1::2'),
        await from('2001:db8:0:1:9::'),
      ]).toEqual([401, 401, 429]);
      expect(await from('2001:db8:0:2::1')).toBe(401);
    } finally {
      await world.stop();
    }
  });
});

describe('the door', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld({
      opsgenieStatusAsks: 0,
      settings: {
        server: { publicUrl: 'https://alerts.example.com', requestTimeoutSeconds: 1, maxConnections: 30 },
      },
    });
  });
  afterAll(() => world.stop());

  const stored = async (): Promise<number> => {
    const [row] = await world.rows<{ count: number }>(
      'SELECT (SELECT count(*) FROM alerts_active)::int + (SELECT count(*) FROM deliveries)::int AS count',
    );
    return row?.count ?? -1;
  };

  it('tells a wrong method from an unknown path', async () => {
    const id = '0199f3c2-7a31-7cc4-9f0e-2b1c6d1e8a55';
    for (const [method, path, allow] of [
      ['GET', '/api/v1/webhooks/grafana', 'POST, PUT'],
      ['GET', '/api/v2/alerts', 'POST'],
      ['PATCH', '/api/v1/alerts', 'POST, GET, HEAD'],
      ['PATCH', `/api/v1/alerts/${id}`, 'GET, HEAD, DELETE'],
      ['GET', `/api/v1/alerts/${id}/acknowledge`, 'PUT'],
      ['POST', '/healthz', 'GET, HEAD'],
      ['OPTIONS', '/api/v1/alerts', 'POST, GET, HEAD'],
      ['POST', `/api/v1/incidents/${id}/`, 'GET, HEAD'],
    ] as const) {
      const answer = await world.call(method, path);
      expectProblem(answer, 405, path);
      const allowed = (answer.headers.get('allow') ?? '').split(', ').toSorted();
      expect(allowed, path).toEqual(allow.split(', ').toSorted());
    }
    expectProblem(await world.call('GET', '/api/v1/nothing'), 404);
    expectProblem(await world.call('GET', '/api/v1/alerts/a/b/c'), 404);
  });

  it('is strict in the headers of every answer, and lets no other origin in', async () => {
    const origin = { origin: 'https://evil.example' };
    const answers = [
      await world.call('GET', '/healthz', undefined, origin),
      await world.call('GET', '/metrics', undefined, origin),
      await world.call('GET', '/api/v1/alerts', undefined, origin),
      await world.call('GET', '/api/v1/alerts', undefined, { ...origin, authorization: '' }),
      await world.call('POST', '/api/v1/alerts', { title: 'Headers' }, origin),
      await world.call('POST', '/api/v1/alerts', '{', { ...origin, ...json }),
      await world.call('GET', '/nothing', undefined, origin),
      await world.call('DELETE', '/api/v1/alerts', undefined, origin),
      await world.call('GET', '/api/v1/alerts/%E0%A4%A', undefined, origin),
      await world.call('GET', '/api/v1/openapi.json', undefined, origin),
      await world.call('GET', '/docs/', undefined, origin),
    ];
    for (const { headers, text } of answers) {
      expect(headers.get('x-content-type-options'), text).toBe('nosniff');
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(headers.get('x-frame-options')).toBe('DENY');
      expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
      expect(headers.get('content-security-policy')).toContain("default-src 'none'");
      expect(headers.get('cache-control')).toBe('no-store');
      for (const name of ['x-powered-by', 'server', 'access-control-allow-origin'])
        expect(headers.get(name), name).toBeNull();
    }
    const [first] = answers;
    expect(first?.headers.get('strict-transport-security')).toContain('max-age=');
  });

  it('shows the page of its API with a policy that lets in just what it loads', async () => {
    const page = await world.call('GET', '/docs/');
    const policy = page.headers.get('content-security-policy') ?? '';
    for (const part of ["script-src 'self'", "connect-src 'self'", "img-src 'self' data:"])
      expect(policy).toContain(part);
    expect(policy).not.toContain('upgrade-insecure-requests');
    // Scripts only from files, none in the page itself.
    expect(page.text.match(/<script(?![^>]*\bsrc=)[^>]*>/g)).toBeNull();
    const assets = [...page.text.matchAll(/(?:src|href)="\.?\/?([^"]+\.(?:js|css|png))"/g)];
    expect(assets.length).toBeGreaterThan(2);
    for (const [, asset = ''] of assets) {
      const answer = await world.call('GET', asset.startsWith('docs/') ? `/${asset}` : `/docs/${asset}`);
      expect(answer.status, asset).toBe(200);
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
      expect(answer.headers.get('content-type')).toMatch(/javascript|css|image/);
    }
  });

  it('takes Basic where sources send it, and nowhere else', async () => {
    const { authorization = '' } = await world.tokenFor('admin', 'basic');
    const basic = {
      authorization: `Basic ${Buffer.from(`gomon:${authorization.slice('Bearer '.length)}`).toString('base64')}`,
    };
    const doors: [string, unknown][] = [
      ['/api/v1/webhooks/grafana', grafanaWebhook([grafanaAlert({ severity: 'none' })])],
      [
        '/api/v1/webhooks/alertmanager',
        alertmanagerWebhook([alertmanagerAlert({ labels: { severity: 'none' } })]),
      ],
      ['/api/v2/alerts', [{ labels: { alertname: 'Basic', severity: 'none' } }]],
    ];
    for (const [path, body] of doors)
      expect((await world.call('POST', path, body, basic)).status, path).toBe(200);
    for (const [method, path] of [
      ['GET', '/api/v1/alerts'],
      ['GET', '/api/v1/incidents'],
      ['POST', '/api/v1/alerts'],
      ['PUT', '/api/v1/alerts/0199f3c2-7a31-7cc4-9f0e-2b1c6d1e8a55/acknowledge'],
    ] as const)
      expectProblem(await world.call(method, path, undefined, basic), 401);
  });

  it('gives back every label, whatever its name', async () => {
    const labels = '{"__proto__":"p","constructor":"c","toString":"t","a":"b"}';
    const answer = await world.call(
      'POST',
      '/api/v1/alerts',
      `{"title":"Odd names","labels":${labels},"annotations":${labels}}`,
      json,
    );
    const [{ id }] = answer.body.results;
    const alert = await world.call('GET', `/api/v1/alerts/${id}`);
    const labelled: unknown = JSON.parse(labels);
    expect(Object.keys(alert.body.labels)).toContain('__proto__');
    for (const map of [alert.body.labels, alert.body.annotations])
      expect(JSON.stringify(sorted(map))).toBe(JSON.stringify(sorted(labelled)));
    const list = await world.call('GET', '/api/v1/alerts?label.__proto__=p');
    expect(list.body.items).toHaveLength(1);
    expect(JSON.stringify(sorted(list.body.items[0].labels))).toBe(JSON.stringify(sorted(labelled)));
  });

  it('refuses one alert that is too large by name, and keeps the others', async () => {
    let count = 0;
    const labelled = (labels: Record<string, string>) => {
      count += 1;
      return { ...alertmanagerAlert({ labels }), fingerprint: `size-${count}` };
    };
    const answer = await world.call(
      'POST',
      '/api/v1/webhooks/alertmanager',
      alertmanagerWebhook([
        labelled({ alertname: 'Fine', severity: 'none' }),
        labelled({ alertname: 'LongValue', query: 'x'.repeat(65_537) }),
        labelled({ alertname: 'LongName', ['n'.repeat(1_025)]: 'x' }),
        labelled(Object.fromEntries(Array.from({ length: 1_001 }, (_, index) => [`l${index}`, 'x']))),
        labelled({ alertname: 'FineToo', severity: 'none', query: 'x'.repeat(65_536) }),
      ]),
    );
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ received: 5, created: 2 });
    expect(answer.body.rejected).toEqual([
      { index: 1, reason: 'alerts[1].labels.query: 65537 characters; at most 65536 are taken' },
      { index: 2, reason: expect.stringContaining('alerts[2].labels: a name has 1025 characters') },
      { index: 3, reason: 'alerts[3].labels: 1004 entries; at most 1000 are taken' },
    ]);
  });

  it('refuses what is nested too deeply, at every door, and stores nothing of it', async () => {
    const before = await stored();
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    for (const path of ['/api/v1/alerts', '/api/v1/incidents', '/api/v1/webhooks/opsgenie']) {
      const secret = { 'x-gomon-webhook-secret': opsgenieWebhookSecret };
      for (const body of [deep, `{"title":"x","labels":{"a":${deep}}}`, `{"alert":${deep}}`])
        expectProblem(await world.call('POST', path, body, { ...json, ...secret }), 400);
    }
    const form = `payload=${encodeURIComponent(`{"type":"block_actions","x":${deep}}`)}`;
    expectProblem(
      await world.call('POST', '/api/v1/slack/webhooks/interactions', form, slackSigned(form)),
      400,
    );
    expect(await stored()).toBe(before);
    // What a source sends is kept for whoever asks why it was refused, as everything it sends.
    for (const path of ['/api/v2/alerts', '/api/v1/webhooks/grafana', '/api/v1/webhooks/alertmanager']) {
      const answer = await world.call('POST', path, deep, json);
      expectProblem(answer, 400, path);
      expect(answer.text).toContain('nested deeper');
    }
  });

  it('takes 1 MiB from Slack and the provider, and no more', async () => {
    const form = `payload=${'x'.repeat(1_048_577)}`;
    const doors: [string, Record<string, string>][] = [
      ['/api/v1/slack/webhooks/interactions', slackSigned(form)],
      ['/api/v1/slack/webhooks/commands', slackSigned(form)],
      ['/api/v1/slack/webhooks/events', slackSigned(form)],
      ['/api/v1/webhooks/opsgenie', { 'x-gomon-webhook-secret': opsgenieWebhookSecret }],
      ['/api/v1/incidents', json],
    ];
    for (const [path, headers] of doors) {
      const answer = await world.call('POST', path, form, headers);
      expectProblem(answer, 413);
      expect(answer.body.detail).toContain('1048576');
    }
  });

  it('tells whoever sends too much so, also when it reads no answer before it has sent all', async () => {
    const large = 'x'.repeat(25_000_000);
    const head = [
      'POST /api/v1/webhooks/alertmanager HTTP/1.1',
      'Host: gomon',
      `Authorization: Bearer ${adminToken}`,
    ];
    const chunk = `${(1_000_000).toString(16)}\r\n${'x'.repeat(1_000_000)}\r\n`;
    for (const request of [
      [...head, `Content-Length: ${large.length}`, '', large],
      [...head, 'Transfer-Encoding: chunked', '', `${chunk.repeat(25)}0\r\n\r\n`],
      // A stranger who hangs up after each request, as urllib does.
      [...head.slice(0, 2), 'Connection: close', `Content-Length: ${large.length}`, '', large],
    ]) {
      const socket = await connectTo(world.url);
      const broken: Error[] = [];
      socket.on('error', (error) => broken.push(error)).pause();
      await new Promise<void>((sent) => socket.write(request.join('\r\n'), () => sent()));
      const heard = (await textOf(socket)).split('\r\n\r\n');
      expect(broken).toEqual([]);
      const status = request.includes(head[2] ?? '') ? 413 : 401;
      expect(heard[0]).toMatch(new RegExp(`^HTTP/1\\.1 ${status} [^]*application/problem\\+json`));
      expect(JSON.parse(heard[1] ?? '')).toMatchObject({ status });
    }
    for (let count = 0; count < 3; count += 1)
      expectProblem(await world.call('POST', '/api/v1/alerts', large, json), 413);
  });

  it('refuses headers without end, and what is no HTTP', async () => {
    const heavy = await sendBytes(
      world.url,
      `GET /healthz HTTP/1.1\r\nHost: x\r\nX-Big: ${'x'.repeat(20_000)}\r\n\r\n`,
    );
    expect(heavy).toMatch(/^HTTP\/1\.1 431 [^]*application\/problem\+json[^]*"status":431/);
    const noise = await sendBytes(world.url, 'what is this\r\n\r\n');
    expect(noise).toMatch(/^HTTP\/1\.1 400 [^]*x-content-type-options: nosniff[^]*"status":400/);
  });

  it('does not wait for ever for a request, neither its head nor its body', async () => {
    const before = await stored();
    const head = 'POST /api/v1/alerts HTTP/1.1\r\nHost: x\r\n';
    const [slowHead, slowBody] = await Promise.all([
      sendBytes(world.url, head),
      sendBytes(
        world.url,
        `${head}Authorization: Bearer test-admin-token\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"title":`,
      ),
    ]);
    for (const answer of [slowHead, slowBody])
      expect(answer).toMatch(/^HTTP\/1\.1 408 [^]*retry-after: 5[^]*"status":408/);
    expect(await stored()).toBe(before);
  });

  it('closes what connects beyond the limit, and lets in again when there is room', async () => {
    const open = await Promise.all(Array.from({ length: 29 }, () => connectTo(world.url)));
    const beyond = await Promise.all(Array.from({ length: 10 }, () => connectTo(world.url)));
    await Promise.race(beyond.map((socket) => once(socket, 'close')));
    for (const socket of [...open, ...beyond]) socket.destroy();
    await expect
      .poll(
        () =>
          world.call('GET', '/healthz').then(
            (answer) => answer.status,
            () => 0,
          ),
        { timeout: 10_000 },
      )
      .toBe(200);
  });
});

describe('what is large', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld({ opsgenieStatusAsks: 0 });
  });
  afterAll(() => world.stop());

  it('keeps an alert that is too large with its annotations cut, and lists many of them', async () => {
    const annotations = {
      summary: 'All of it',
      ...Object.fromEntries(Array.from({ length: 5 }, (_, n) => [`a${n}`, 'x'.repeat(65_000)])),
    };
    const count = 36;
    for (let from = 0; from < count; from += 12) {
      const alerts = Array.from({ length: 12 }, (_, n) => ({
        ...alertmanagerAlert({
          labels: { alertname: 'Large', severity: 'none', n: `${from + n}` },
          annotations,
        }),
        fingerprint: `large-${from + n}`,
      }));
      const answer = await world.call('POST', '/api/v1/webhooks/alertmanager', alertmanagerWebhook(alerts));
      expect(answer.body).toMatchObject({ created: 12, rejected: [] });
    }
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const next: string = cursor === '' ? '' : `&cursor=${cursor}`;
      const page = await world.call('GET', `/api/v1/alerts?label.alertname=Large&limit=200${next}`);
      expect(page.status).toBe(200);
      expect(page.text.length).toBeLessThan(10_000_000);
      seen.push(...page.body.items.map((item: { id: string }) => item.id));
      cursor = page.body.nextCursor;
    }
    expect(new Set(seen).size).toBe(count);
    expect(seen).toHaveLength(count);
    const alert = (await world.call('GET', `/api/v1/alerts/${seen[0]}`)).body;
    expect(alert.title).toBe('All of it');
    expect(alert.annotations.a4).toMatch(/^x{52000,53000}… \[cut: the alert is too large\]$/);
    const [cut] = alert.decisions.filter((one: { outcome: string }) => one.outcome === 'cut');
    expect(cut.reason).toContain('The delivery has all of them');
    const whole = await world.call('GET', `/api/v1/deliveries/${cut.deliveryId}/body`);
    expect(whole.text.length).toBeGreaterThan(12 * 5 * 65_000);
  });

  it('refuses one that is too large where its sender hears it, and takes the others', async () => {
    const large = {
      title: 'Too large',
      annotations: Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`a${n}`, 'x'.repeat(16_000)])),
    };
    const fits = {
      title: 'Fits',
      labels: Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`l${n}`, 'y'.repeat(100)])),
      annotations: Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`a${n}`, 'x'.repeat(10_000)])),
    };
    const answer = await world.call('POST', '/api/v1/alerts', [large, fits]);
    expect(answer).toMatchObject({
      status: 200,
      body: {
        results: [
          { outcome: 'rejected', reason: expect.stringContaining('has 272041 characters') },
          { outcome: 'created' },
        ],
      },
    });
    const kept = await world.call('GET', `/api/v1/alerts/${answer.body.results[1].id}`);
    expect(kept.body).toMatchObject(fits);
    expectProblem(await world.call('POST', '/api/v1/alerts', large), 400);
  });

  it('shows of an incident only as many large alerts as an answer can hold', async () => {
    const fat = (n: number) => ({
      title: `Fat ${n}`,
      annotations: Object.fromEntries(Array.from({ length: 16 }, (_, at) => [`a${at}`, 'x'.repeat(16_000)])),
    });
    const alerts: string[] = [];
    for (let from = 0; from < 40; from += 20) {
      const some = Array.from({ length: 20 }, (_, n) => fat(from + n));
      const { results } = (await world.call('POST', '/api/v1/alerts', some)).body;
      alerts.push(...results.map((result: { id: string }) => result.id));
    }
    const incident = (await world.call('POST', '/api/v1/incidents', { alertId: alerts[0] })).body.id;
    await world.rows('UPDATE alerts_active SET incident_id = $1 WHERE id = ANY($2)', [incident, alerts]);
    const answer = await world.call('GET', `/api/v1/incidents/${incident}`);
    expect(answer.status).toBe(200);
    expect(answer.body.alerts.length).toBeGreaterThan(30);
    expect(answer.body.alerts.length).toBeLessThan(36);
    expect(answer.body.alerts[0].title).toBe('Fat 0');
  });
});
