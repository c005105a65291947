import { randomBytes, randomUUID } from 'node:crypto';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { alertRoutes } from './alert-api.ts';
import { Alerts } from './alerts.ts';
import type { Answer } from './answer.ts';
import { type FaultRule, Faults } from './faults.ts';
import { heartbeatRoutes } from './heartbeat-api.ts';
import { incidentRoutes } from './incident-api.ts';
import { Incidents } from './incidents.ts';
import { page } from './page.ts';
import { type Person, createPerson } from './person.ts';
import { Requests } from './requests.ts';
import { answerApi, authorizes } from './router.ts';
import { type SandboxAlert, type SandboxHeartbeat, type SandboxIncident, OpsgenieState } from './state.ts';
import { waitFor } from './wait-for.ts';
import { type WebhookDelivery, WebhookSender } from './webhooks.ts';

export type OpsgenieSandboxOptions = {
  apiKey?: string;
  host?: string;
  /** 0, the default, takes a free one. */
  port?: number;
  /** How often a request status is asked for in vain; 2 by default. */
  pendingStatusAsks?: number;
  /** How many searches do not yet see a new thing; 1 by default. */
  searchLag?: number;
  now?: () => number;
};

export type SandboxCall = {
  method: string;
  path: string;
  query: string;
  body: unknown;
  /** Null: hung or reset. */
  status: number | null;
  fault: FaultRule['effect'] | null;
};

/** A running fake Opsgenie account, with what tests and the demo need to look and act behind the API. */
export type OpsgenieSandbox = {
  /** API base and, opened in a browser, the page. */
  url: string;
  apiKey: string;
  alerts(): SandboxAlert[];
  incidents(): SandboxIncident[];
  heartbeats(): SandboxHeartbeat[];
  /** Every API call since the start, oldest first (the last 5,000). */
  calls(): SandboxCall[];
  deliveries(): WebhookDelivery[];
  /** Something goes wrong with the next call, or the next `times` calls, that match. */
  fault(rule: FaultRule): void;
  clearFaults(): void;
  /**
   * Where the account's Webhook integration posts; `withDetails: false` leaves both
   * "add …" boxes unticked, `asForm` sends the JSON under the content type of a form.
   */
  deliverTo(
    url: string,
    headers: Record<string, string>,
    options?: { withDetails?: boolean; asForm?: boolean },
  ): void;
  /** Tells of the alert's creation once more, as another team's integration does when the team is added. */
  tellCreateAgain(alertId: string): void;
  /** The search index catches up. */
  indexNow(): void;
  /** What people do in the vendor's app; ids are of an alert (id or alias) or an incident. */
  person: Person;
  /** Resolves with the predicate's first result that is neither null, undefined nor false; looks after every change. */
  waitFor<T>(
    predicate: (sandbox: OpsgenieSandbox) => T | null | undefined | false,
    timeoutMs?: number,
  ): Promise<T>;
  /** Until all webhooks are answered or given up. */
  drain(): Promise<void>;
  stop(): Promise<void>;
};

const keptCalls = 5000;
const maxBodyBytes = 1024 * 1024;

export async function startOpsgenieSandbox(options: OpsgenieSandboxOptions = {}): Promise<OpsgenieSandbox> {
  const {
    apiKey = 'sandbox-key',
    host = '127.0.0.1',
    port = 0,
    pendingStatusAsks = 2,
    searchLag = 1,
    now = Date.now,
  } = options;
  const state = new OpsgenieState(now, searchLag);
  const webhooks = new WebhookSender(state);
  const alerts = new Alerts(state, webhooks);
  const incidents = new Incidents(state, alerts);
  const requests = new Requests(pendingStatusAsks, now);
  const faults = new Faults();
  const person = createPerson(state, alerts, incidents);
  const calls: SandboxCall[] = [];
  let url = '';
  const origin = () => url;
  const routes = [
    ...alertRoutes(state, alerts, requests, origin),
    ...incidentRoutes(state, incidents, requests, origin),
    ...heartbeatRoutes(state),
  ];

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const method = request.method ?? 'GET';
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://sandbox');
    const body = await readBody(request);
    if (!/^\/v[12]\//.test(pathname)) {
      // Another site's page may open this one, but not click in it.
      const { origin: from, host: self } = request.headers;
      if (from !== undefined && from !== `http://${self ?? ''}`) response.writeHead(403).end();
      else sendPage(method, pathname, body ?? '', response);
      return;
    }
    const call: SandboxCall = {
      method,
      path: pathname,
      query: searchParams.toString(),
      body: body ?? null,
      status: null,
      fault: null,
    };
    calls.push(call);
    if (calls.length > keptCalls) calls.shift();
    const answer = answerWithFaults(call, searchParams, body, request.headers.authorization);
    if (answer === 'hang') request.socket.once('close', () => state.changed());
    else if (answer === 'reset') request.socket.resetAndDestroy();
    else send(answer, call, response);
    state.changed();
  }

  function answerWithFaults(
    call: SandboxCall,
    query: URLSearchParams,
    body: string | null,
    authorization: string | undefined,
  ): Answer | 'hang' | 'reset' {
    const fault = faults.take(call.method, call.path);
    const carryOut = () => answerApi(routes, call, query, body, authorizes(authorization, apiKey));
    if (fault === null) return carryOut();
    call.fault = fault.effect;
    if (fault.effect === 'fail-request') {
      requests.failNext(fault.status);
      return carryOut();
    }
    if (fault.effect === 'lose-request') {
      return { status: 202, body: { result: 'Request will be processed' } };
    }
    if (fault.applied) carryOut();
    switch (fault.effect) {
      case 'hang':
      case 'reset':
        return fault.effect;
      case 'html':
        return { status: fault.status ?? 200, body: {}, headers: { 'content-type': 'text/html' } };
      case 'rate-limit':
        return {
          status: 429,
          body: { message: 'You are making too many requests!' },
          headers: {
            'X-RateLimit-State': 'THROTTLED',
            'X-RateLimit-Reason': 'ACCOUNT',
            ...(fault.periodInSec !== undefined && {
              'X-RateLimit-Period-In-Sec': String(fault.periodInSec),
            }),
          },
        };
      case 'status':
        return {
          status: fault.status,
          body: fault.body ?? { message: 'Something went wrong' },
          ...(fault.headers && { headers: fault.headers }),
        };
    }
  }

  function sendPage(method: string, pathname: string, body: string, response: ServerResponse): void {
    if (method === 'POST' && pathname === '/act') {
      const form = new URLSearchParams(body);
      const done = person.act(form.get('id') ?? '', form.get('action') ?? '', form.get('text') ?? '');
      response.writeHead(done ? 303 : 404, { location: '/' }).end();
      return;
    }
    const detail = /^\/(?:alert|incident)\/detail\/([^/]+)(?:\/details)?$/.exec(pathname);
    if (method !== 'GET' || (pathname !== '/' && detail === null)) {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('not found\n');
      return;
    }
    const nonce = randomBytes(12).toString('base64url');
    response.writeHead(200, {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'content-security-policy': `default-src 'none'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'; form-action 'self'`,
    });
    response.end(page(state, webhooks.deliveries, detail?.[1] ?? null, nonce));
  }

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      // A bug of the sandbox must fail loudly in the test that met it.
      response.writeHead(500).end(JSON.stringify({ message: `sandbox: ${String(error)}` }));
    });
  });
  await listen(server, port, host);
  url = `http://${host}:${(server.address() as AddressInfo).port}`;

  const sandbox: OpsgenieSandbox = {
    url,
    apiKey,
    person,
    alerts: () => [...state.alerts.values()],
    incidents: () => [...state.incidents.values()],
    heartbeats: () => [...state.heartbeats.values()],
    calls: () => [...calls],
    deliveries: () => [...webhooks.deliveries],
    fault: (rule) => faults.add(rule),
    clearFaults: () => faults.clear(),
    deliverTo: (target, headers, { withDetails = true, asForm = false } = {}) =>
      webhooks.deliverTo({ url: target, headers, withDetails, asForm }),
    tellCreateAgain: (alertId) => {
      const alert = state.alerts.get(alertId);
      if (alert === undefined) throw new Error(`sandbox Opsgenie: there is no alert ${alertId}`);
      webhooks.send({ action: 'Create', alert, username: 'System', sourceType: 'API' });
    },
    indexNow: () => state.indexNow(),
    waitFor: (predicate, timeoutMs = 5000) => waitFor(state, () => predicate(sandbox), timeoutMs),
    drain: () => webhooks.drain(),
    async stop() {
      await webhooks.stop();
      server.closeAllConnections();
      await new Promise<void>((done) => server.close(() => done()));
    },
  };
  return sandbox;
}

function send(answer: Answer, call: SandboxCall, response: ServerResponse): void {
  call.status = answer.status;
  const requestId = answer.requestId ?? randomUUID();
  const headers = {
    'X-Request-ID': requestId,
    'X-Response-Time': '0.004',
    'X-RateLimit-State': 'OK',
    ...answer.headers,
  };
  if (answer.headers?.['content-type'] === 'text/html') {
    response.writeHead(answer.status, headers).end('<html><body><h1>Sign in to continue</h1></body></html>');
    return;
  }
  response.writeHead(answer.status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify({ ...answer.body, took: 0.004, requestId }));
}

/** Null when it is too long. */
async function readBody(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= maxBodyBytes) chunks.push(chunk);
  }
  return bytes > maxBodyBytes ? null : Buffer.concat(chunks).toString('utf8');
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((done, fail) => {
    server.once('error', fail);
    server.listen(port, host, () => done());
  });
}
