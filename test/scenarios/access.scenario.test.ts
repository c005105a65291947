import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { alertmanagerAlert, alertmanagerWebhook } from '../fixtures/alertmanager.ts';
import { grafanaAlert, grafanaWebhook } from '../fixtures/grafana.ts';
import { adminToken, startWorld, type World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld({ opsgenieStatusAsks: 0 });
});
afterAll(() => world.stop());

const roles = ['source', 'viewer', 'responder', 'admin'] as const;
type Role = (typeof roles)[number];

/** Which roles may, route by route. Each call gets an alert (and an incident) of its own. */
type Route = { method: string; path: string; body?: unknown; may: readonly Role[] };
const read: readonly Role[] = ['viewer', 'responder', 'admin'];
const act: readonly Role[] = ['responder', 'admin'];
const send: readonly Role[] = ['source', 'responder', 'admin'];

const routes: Route[] = [
  { method: 'POST', path: '/api/v1/alerts', body: { title: 'By a token', severity: 'none' }, may: send },
  {
    method: 'POST',
    path: '/api/v1/webhooks/grafana',
    body: grafanaWebhook([grafanaAlert({ severity: 'none' })]),
    may: send,
  },
  {
    method: 'PUT',
    path: '/api/v1/webhooks/grafana',
    body: grafanaWebhook([grafanaAlert({ severity: 'none' })]),
    may: send,
  },
  {
    method: 'POST',
    path: '/api/v1/webhooks/alertmanager',
    body: alertmanagerWebhook([alertmanagerAlert({ labels: { severity: 'none' } })]),
    may: send,
  },
  {
    method: 'POST',
    path: '/api/v2/alerts',
    body: [{ labels: { alertname: 'x', severity: 'none' } }],
    may: send,
  },
  { method: 'GET', path: '/api/v1/alerts', may: read },
  { method: 'GET', path: '/api/v1/alerts/{alert}', may: read },
  { method: 'PUT', path: '/api/v1/alerts/{alert}/acknowledge', may: act },
  { method: 'PUT', path: '/api/v1/alerts/{alert}/escalate', body: {}, may: act },
  { method: 'PUT', path: '/api/v1/alerts/{alert}/assign', body: { assignedTo: 'x@example.com' }, may: act },
  { method: 'POST', path: '/api/v1/alerts/{alert}/notes', body: { text: 'x' }, may: act },
  { method: 'DELETE', path: '/api/v1/alerts/{alert}', may: act },
  { method: 'GET', path: '/api/v1/deliveries/{delivery}', may: read },
  { method: 'GET', path: '/api/v1/deliveries/{delivery}/body', may: read },
  { method: 'POST', path: '/api/v1/incidents', body: { alertId: '{alert}' }, may: act },
  { method: 'GET', path: '/api/v1/incidents', may: read },
  { method: 'GET', path: '/api/v1/incidents/{incident}', may: read },
  {
    method: 'PUT',
    path: '/api/v1/incidents/{incident}/assign',
    body: { assignedTo: 'x@example.com' },
    may: act,
  },
  { method: 'PUT', path: '/api/v1/incidents/{incident}/status', body: { status: 'resolved' }, may: act },
  { method: 'POST', path: '/api/v1/incidents/{incident}/notes', body: { text: 'x' }, may: act },
];

/** Doors that carry a secret or a signature of their own, and pages that are open. */
const otherDoors = [
  'POST /api/v1/webhooks/opsgenie',
  'POST /api/v1/slack/webhooks/interactions',
  'POST /api/v1/slack/webhooks/commands',
  'POST /api/v1/slack/webhooks/events',
];
const open = ['/healthz', '/readyz', '/metrics', '/api/v1/openapi.json', '/docs/'];

let count = 0;
/** The text with the ids of an alert, an incident and a delivery made for it. */
async function subjects(): Promise<(text: string) => string> {
  count += 1;
  const { deliveryId } = (await world.call('POST', '/api/v1/webhooks/alertmanager', alertmanagerWebhook([])))
    .body;
  const [{ id: alert }, { id: other }] = (
    await world.call('POST', '/api/v1/alerts', [{ title: `Subject ${count}` }, { title: `Other ${count}` }])
  ).body.results;
  const incident = (await world.call('POST', '/api/v1/incidents', { alertId: other })).body.id;
  return (text) =>
    text.replace('{alert}', alert).replace('{incident}', incident).replace('{delivery}', deliveryId);
}

describe('roles', () => {
  it.each(routes)('$method $path is for $may', async ({ method, path, body, may }) => {
    for (const role of roles) {
      const fill = await subjects();
      const text = body === undefined ? undefined : fill(JSON.stringify(body));
      const headers = await world.tokenFor(role);
      const answer = await world.call(method, fill(path), text, headers);
      if (may.includes(role)) {
        expect([200, 201], `${role} ${answer.text}`).toContain(answer.status);
        continue;
      }
      expect(answer.status, role).toBe(403);
      for (const one of [role, ...may]) expect(answer.body.detail ?? answer.text).toContain(one);
    }
    const fill = await subjects();
    for (const authorization of ['', 'Bearer nonsense']) {
      const answer = await world.call(method, fill(path), body, { authorization });
      expect(answer.status).toBe(401);
      expect(answer.headers.get('www-authenticate')).toContain('Bearer');
      expect(answer.headers.get('content-type')).toContain(
        path.startsWith('/api/v2/') ? 'application/json' : 'application/problem+json',
      );
    }
  });

  it('decide who may speak for Opsgenie where it has no secret: not whoever may only send alerts', async () => {
    const bare = await startWorld({
      opsgenieStatusAsks: 0,
      env: { OPSGENIE_WEBHOOK_SECRET: undefined },
    });
    try {
      const body = {
        action: 'AddNote',
        alert: { alertId: 'x', alias: 'x', note: 'All fine.', username: 'ceo' },
      };
      for (const role of roles) {
        const headers = await bare.tokenFor(role);
        const answer = await bare.call('POST', '/api/v1/webhooks/opsgenie', body, headers);
        expect(answer.status, role).toBe(act.includes(role) ? 200 : 403);
      }
      const nobody = await bare.call('POST', '/api/v1/webhooks/opsgenie', body, { authorization: '' });
      expect(nobody.status).toBe(401);
    } finally {
      await bare.stop();
    }
  });

  it('do not matter for what is open to everybody', async () => {
    for (const path of open)
      expect((await world.call('GET', path, undefined, { authorization: '' })).status, path).toBe(200);
  });
});

describe('tokens', () => {
  it('are kept as a hash, and neither the admin token nor any other is found in the database or the log', async () => {
    const { authorization = '' } = await world.tokenFor('viewer', 'hashed');
    const token = authorization.slice('Bearer '.length);
    expect((await world.call('GET', '/api/v1/alerts', undefined, { authorization })).status).toBe(200);
    const [row] = await world.rows<{ token_hash: Buffer }>(
      "SELECT token_hash FROM api_tokens WHERE name = 'hashed'",
    );
    expect(row?.token_hash).toEqual(createHash('sha256').update(token).digest());
    const kept = JSON.stringify(await world.rows('SELECT headers, sender FROM deliveries'));
    expect(kept).not.toContain(adminToken);
    expect(kept).not.toContain('gomon_test_');
    expect(world.log()).not.toContain(adminToken);
    expect(world.log()).not.toContain(token);
  });

  it('stop within 5 s of being revoked', async () => {
    const headers = await world.tokenFor('viewer', 'revoked');
    const status = async () => (await world.call('GET', '/api/v1/alerts', undefined, headers)).status;
    expect(await status()).toBe(200);
    await world.rows("UPDATE api_tokens SET revoked_at = now() WHERE name = 'revoked'");
    world.clock.advance(5_001);
    expect(await status()).toBe(401);
  });
});

describe('the rate limit', () => {
  it('holds one token to its pace, and neither others, nor sources, nor probes', async () => {
    const limited = await startWorld({
      settings: { server: { rateLimit: { requestsPerSecond: 1, burst: 3 } } },
    });
    try {
      const [one, two, sender] = [
        await limited.tokenFor('viewer'),
        await limited.tokenFor('viewer'),
        await limited.tokenFor('source'),
      ];
      const list = (headers: Record<string, string>) =>
        limited.call('GET', '/api/v1/alerts', undefined, headers);
      for (let i = 0; i < 3; i += 1) expect((await list(one)).status).toBe(200);
      const refused = await list(one);
      expect(refused).toMatchObject({ status: 429, body: { title: 'Too Many Requests' } });
      expect(refused.headers.get('content-type')).toContain('application/problem+json');
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
      expect((await list(two)).status).toBe(200);
      for (let i = 0; i < 6; i += 1) {
        expect((await limited.call('POST', '/api/v1/alerts', { title: `Alert ${i}` }, sender)).status).toBe(
          201,
        );
        for (const path of open.slice(0, 3))
          expect((await limited.call('GET', path, undefined, one)).status).toBe(200);
      }
      limited.clock.advance(1_100);
      expect((await list(one)).status).toBe(200);
    } finally {
      await limited.stop();
    }
  });
});

describe('what the service says of itself', () => {
  it('lists every route in OpenAPI 3.1, each with a summary and schemas', async () => {
    const document = (await world.call('GET', '/api/v1/openapi.json', undefined, { authorization: '' })).body;
    expect(document.openapi).toMatch(/^3\.1/);
    expect(document.info).toMatchObject({ title: 'GoMon Alerting', version: expect.any(String) });
    const listed = Object.entries<Record<string, Record<string, unknown>>>(document.paths).flatMap(
      ([path, methods]) =>
        Object.entries(methods).map(([method, operation]) => ({
          route: `${method.toUpperCase()} ${path}`,
          operation,
        })),
    );
    const wanted = [
      ...routes.map(({ method, path }) => `${method} ${path.replace(/\{\w+\}/, '{id}')}`),
      ...otherDoors,
      'GET /healthz',
      'GET /readyz',
      'GET /metrics',
    ];
    expect(listed.map((one) => one.route)).toEqual(expect.arrayContaining(wanted));
    for (const { route, operation } of listed) {
      expect(operation['summary'], route).toEqual(expect.any(String));
      expect(operation['responses'], route).toBeTypeOf('object');
      expect(Object.keys(operation['responses'] as object).length, route).toBeGreaterThan(0);
    }
    // Every reference leads somewhere.
    for (const [, reference] of JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)) {
      const target = (reference ?? '')
        .split('/')
        .reduce<unknown>((node, key) => (node as Record<string, unknown> | undefined)?.[key], document);
      expect(target, reference).toBeDefined();
    }
  });

  describe('in its document', () => {
    type Parameter = {
      name: string;
      in: string;
      required?: boolean;
      schema: { type?: string; items?: { enum?: string[] } };
    };
    type Media = Record<string, { schema: object }>;
    type Operation = {
      parameters?: Parameter[];
      requestBody?: { required: boolean; content: Media };
      responses: Record<string, { description: string; content?: Media }>;
    };
    let operations: Map<string, Operation>;
    beforeAll(async () => {
      const { paths } = (await world.call('GET', '/api/v1/openapi.json')).body as {
        paths: Record<string, Record<string, Operation>>;
      };
      operations = new Map(
        Object.entries(paths).flatMap(([path, methods]) =>
          Object.entries(methods).map(([method, operation]) => [
            `${method.toUpperCase()} ${path}`,
            operation,
          ]),
        ),
      );
    });
    const operation = (route: string): Operation => {
      const found = operations.get(route);
      if (found === undefined) throw new Error(`${route} is not in the document`);
      return found;
    };
    const parameter = (route: string, name: string) =>
      operation(route).parameters?.find((one) => one.name === name);

    it('every part has the form that OpenAPI 3.1 asks for', () => {
      for (const [route, { parameters = [], requestBody, responses }] of operations) {
        const named = [...route.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
        const inPath = parameters.filter((one) => one.in === 'path');
        expect(
          inPath.map((one) => [one.name, one.required]),
          route,
        ).toEqual(named.map((name) => [name, true]));
        expect(new Set(parameters.map((one) => `${one.in} ${one.name}`)).size).toBe(parameters.length);
        for (const one of parameters) {
          expect(['path', 'query', 'header'], route).toContain(one.in);
          expect(one.schema, `${route} ${one.name}`).toBeTypeOf('object');
        }
        const contents = [requestBody, ...Object.values(responses)].map((part) => part?.content ?? {});
        for (const [type, { schema }] of contents.flatMap((content) => Object.entries(content))) {
          expect(type, route).toMatch(/^\w+\/[\w.+-]+$/);
          expect(schema, route).toBeTypeOf('object');
          // Words of OpenAPI 3.0 and of old JSON Schema.
          expect(JSON.stringify(schema), route).not.toMatch(/"(?:nullable|definitions|\$schema|id)":(?!\{)/);
        }
        for (const [status, response] of Object.entries(responses)) {
          expect(status, route).toMatch(/^(?:[1-5]\d\d|[1-5]XX|default)$/);
          expect(response.description, route).toEqual(expect.any(String));
        }
      }
    });

    it('errors have the type they are sent with', () => {
      for (const [route, { responses }] of operations) {
        if (!route.includes(' /api/')) continue;
        expect(Object.keys(responses['default']?.content ?? {}), route).toEqual(['application/problem+json']);
      }
      const { responses } = operation('POST /api/v2/alerts');
      expect(responses['4XX']?.content).toMatchObject({ 'application/json': { schema: { type: 'string' } } });
    });

    it('whatever is sent has a body, which may be left out only where it says nothing that is needed', () => {
      const bodies = [...operations].filter(([route]) => /^(?:POST|PUT) /.test(route));
      const optional = bodies.flatMap(([route, { requestBody }]) => {
        expect(Object.keys(requestBody?.content ?? {}), route).toHaveLength(1);
        return requestBody?.required === true ? [] : [route];
      });
      expect(optional).toEqual(['PUT /api/v1/alerts/{id}/acknowledge', 'PUT /api/v1/alerts/{id}/escalate']);
      for (const name of ['interactions', 'commands'])
        expect(operation(`POST /api/v1/slack/webhooks/${name}`).requestBody?.content).toHaveProperty([
          'application/x-www-form-urlencoded',
        ]);
    });

    it('parameters say what they take', () => {
      expect(parameter('POST /api/v1/alerts', 'Idempotency-Key')).toMatchObject({
        in: 'header',
        required: false,
      });
      expect(parameter('GET /api/v1/alerts', 'label.NAME')).toMatchObject({
        in: 'query',
        style: 'form',
        explode: true,
        schema: { type: 'object' },
      });
      const enums = {
        'GET /api/v1/alerts': ['status', 'severity', 'source', 'role'],
        'GET /api/v1/incidents': ['status', 'severity'],
        'GET /api/v1/health-checks': ['status', 'type'],
        'GET /api/v1/cluster/pods': ['phase', 'severity'],
        'GET /api/v1/cluster/events': ['type', 'severity'],
      };
      for (const [route, names] of Object.entries(enums))
        for (const name of names) {
          const found = parameter(route, name);
          expect(found, `${route} ${name}`).toMatchObject({ style: 'form', explode: false });
          expect(found?.schema.items?.enum?.length, name).toBeGreaterThan(1);
        }
    });
  });

  it('asks for a token only where one is needed', async () => {
    const { paths } = (await world.call('GET', '/api/v1/openapi.json')).body;
    for (const path of ['/healthz', '/readyz', '/metrics'])
      expect(paths[path].get.security, path).toEqual([]);
    for (const door of otherDoors) {
      const [, path = ''] = door.split(' ');
      expect(paths[path].post.security, path).toEqual([]);
    }
    expect(paths['/api/v1/alerts'].get.security).not.toEqual([]);
  });

  it('says what POST /api/v1/alerts takes', async () => {
    const { paths } = (await world.call('GET', '/api/v1/openapi.json')).body;
    const text = JSON.stringify(paths['/api/v1/alerts'].post.requestBody ?? null);
    for (const field of ['title', 'severity', 'dedupKey', 'endsAt', 'traceId']) expect(text).toContain(field);
  });

  it('shows a page of its API that loads nothing from elsewhere', async () => {
    const page = await world.call('GET', '/docs/', undefined, { authorization: '' });
    expect(page.headers.get('content-type')).toContain('text/html');
    expect(page.text).not.toMatch(/(?:src|href)="https?:/);
    for (const [, asset] of page.text.matchAll(/(?:src|href)="\.?\/?([^"]+\.(?:js|css))"/g)) {
      const url = asset?.startsWith('docs/') ? `/${asset}` : `/docs/${asset ?? ''}`;
      expect((await world.call('GET', url, undefined, { authorization: '' })).status, url).toBe(200);
    }
    expect([200, 301, 302]).toContain((await world.call('GET', '/docs')).status);
  });

  it('is alive and ready, naming each dependency', async () => {
    expect((await world.call('GET', '/healthz')).body).toEqual({ status: 'ok' });
    const ready = await world.call('GET', '/readyz');
    expect(ready.status).toBe(200);
    expect(ready.body).toMatchObject({
      state: 'ready',
      dependencies: {
        database: { state: 'ok' },
        slack: { state: 'ok' },
        opsgenie: { state: 'ok' },
        jaeger: { state: 'off' },
      },
    });
  });

  it('measures what the contract names, with the types it names', async () => {
    await world.call('POST', '/api/v1/alerts', [{ title: 'Measured', severity: 'P1' }]);
    await world.drain();
    const { text, headers } = await world.call('GET', '/metrics', undefined, { authorization: '' });
    expect(headers.get('content-type')).toContain('text/plain');
    const metrics: [name: string, type: string, labels: string[]][] = [
      ['gomon_alerts_received_total', 'counter', ['source', 'outcome']],
      ['gomon_alert_processing_seconds', 'histogram', []],
      ['gomon_notification_latency_seconds', 'histogram', ['severity']],
      ['gomon_notifications_total', 'counter', ['channel', 'outcome']],
      ['gomon_incident_sync_total', 'counter', ['provider', 'outcome']],
      ['gomon_jobs_pending', 'gauge', ['task']],
      ['gomon_jobs_oldest_seconds', 'gauge', []],
      ['gomon_http_request_duration_seconds', 'histogram', []],
      ['gomon_db_pool_connections', 'gauge', ['state']],
      ['gomon_circuit_open', 'gauge', ['target']],
    ];
    for (const [name, type, labels] of metrics) {
      expect(text, name).toContain(`# TYPE ${name} ${type}\n`);
      const sample = text
        .split('\n')
        .find((line) => line.startsWith(type === 'histogram' ? `${name}_count` : name));
      expect(sample, name).toBeDefined();
      for (const label of labels) expect(sample, name).toContain(`${label}="`);
    }
    expect(text).toMatch(/gomon_notifications_total\{channel="#alert-critical",outcome="posted"\} 1\n/);
    expect(text).toMatch(/gomon_alerts_received_total\{source="api",outcome="created"\} \d+/);
  });

  it('answers every error as a problem document', async () => {
    const answers = [
      await world.call('GET', '/nothing/here'),
      await world.call('PATCH', '/api/v1/alerts'),
      await world.call('POST', '/api/v1/incidents', '{"alertId":'),
      await world.call('POST', '/api/v1/incidents', 'x', { 'content-type': 'text/plain' }),
      await world.call('GET', '/api/v1/alerts/%00'),
      await world.call('GET', '/api/v1/alerts?limit=1&limit=2'),
      await world.call('GET', `/api/v1/alerts?q=${'x'.repeat(5_000)}`),
      await world.call('GET', '/api/v1/alerts/%E0%A4%A'),
      await world.call(
        'POST',
        '/api/v1/alerts/0199f3c2-7a31-7cc4-9f0e-2b1c6d1e8a55/notes',
        JSON.stringify({ text: 'x'.repeat(2_000_000) }),
      ),
    ];
    for (const answer of answers) {
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.status, answer.text).toBeLessThan(500);
      expect(answer.headers.get('content-type'), answer.text).toContain('application/problem+json');
      expect(answer.body).toMatchObject({
        type: expect.any(String),
        title: expect.any(String),
        status: answer.status,
      });
    }
  });
});
