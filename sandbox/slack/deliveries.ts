import { createHmac } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isObject } from './json.ts';
import type { JsonObject } from './json.ts';
import type { Delivery, DeliveryAnswer } from './model.ts';
import type { SocketMode } from './socket-mode.ts';
import type { SlackState } from './state.ts';

/** Where the service listens. Slack knows the three as separate settings of the app. */
export type DeliveryTargets = { interactionsUrl: string; commandsUrl: string; eventsUrl: string };

export type DeliverySettings = {
  signingSecret: string;
  /** How long the service may take to answer; Slack gives 3 s. */
  answerLimitMs: number;
  /** Waits before each repetition of an event; Slack's are at once, 1 min and 5 min. */
  eventRetryDelaysMs: readonly number[];
};

type Outgoing = Pick<Delivery, 'kind' | 'type' | 'payload'> & {
  door: keyof DeliveryTargets;
  contentType: string;
  body: string;
};

const mostAnswerBytes = 1_000_000;

/** Signs and sends what Slack tells the service, and keeps the log of it. */
export class Deliveries {
  readonly #state: SlackState;
  readonly #settings: DeliverySettings;
  readonly #closing = new AbortController();
  readonly #retries = new Set<NodeJS.Timeout>();
  /** Not null: Socket Mode is on, and nothing goes over HTTP. */
  readonly #sockets: SocketMode | null;
  #targets: DeliveryTargets | null;
  #count = 0;

  constructor(
    state: SlackState,
    settings: DeliverySettings,
    targets: DeliveryTargets | null,
    sockets: SocketMode | null,
  ) {
    this.#sockets = sockets;
    this.#state = state;
    this.#settings = settings;
    this.#targets = targets;
  }

  get hasTarget(): boolean {
    return this.#sockets === null ? this.#targets !== null : this.#sockets.connections > 0;
  }

  deliverTo(targets: DeliveryTargets): void {
    this.#targets = targets;
  }

  /** block_actions, view_submission, view_closed: one form field `payload` with JSON in it. Never repeated. */
  interaction(payload: JsonObject): Promise<Delivery> {
    const body = new URLSearchParams({ payload: JSON.stringify(payload) }).toString();
    return this.#attempt({
      kind: 'interaction',
      type: String(payload['type']),
      payload,
      door: 'interactionsUrl',
      contentType: form,
      body,
    });
  }

  /** A slash command: a flat form. Never repeated. */
  command(fields: Record<string, string>): Promise<Delivery> {
    const body = new URLSearchParams(fields).toString();
    const type = fields['command'] ?? '';
    const door = 'commandsUrl';
    return this.#attempt({ kind: 'command', type, payload: fields, door, contentType: form, body });
  }

  /** An event envelope as JSON. Answers with the first attempt; the repetitions go on by themselves. */
  async event(envelope: JsonObject): Promise<Delivery> {
    const inner = envelope['event'];
    const type = isObject(inner)
      ? `${String(envelope['type'])}:${String(inner['type'])}`
      : String(envelope['type']);
    const outgoing: Outgoing = {
      kind: 'event',
      type,
      payload: envelope,
      door: 'eventsUrl',
      contentType: 'application/json',
      body: JSON.stringify(envelope),
    };
    const first = await this.#attempt(outgoing);
    if (type !== 'url_verification') this.#repeatIfNeeded(outgoing, first, 1);
    return first;
  }

  /** The same once more, as when Slack did not hear the answer. */
  repeat({ kind, payload }: Delivery): Promise<Delivery> {
    switch (kind) {
      case 'interaction':
        return this.interaction(payload);
      case 'command':
        return this.command(payload as Record<string, string>);
      case 'event':
        return this.event(payload);
    }
  }

  close(): void {
    for (const timer of this.#retries) clearTimeout(timer);
    this.#retries.clear();
    this.#closing.abort();
  }

  #target(): DeliveryTargets {
    if (!this.#targets)
      throw new Error('the sandbox does not know where to deliver: call deliverTo(baseUrl) first');
    return this.#targets;
  }

  #repeatIfNeeded(outgoing: Outgoing, last: Delivery, retry: number): void {
    const delayMs = this.#settings.eventRetryDelaysMs[retry - 1];
    if (last.ok || last.noRetry || delayMs === undefined || this.#closing.signal.aborted) return;
    const timer = setTimeout(() => {
      this.#retries.delete(timer);
      void this.#attempt(outgoing, { retry, reason: last.failure ?? 'unknown_error' }).then((next) =>
        this.#repeatIfNeeded(outgoing, next, retry + 1),
      );
    }, delayMs);
    this.#retries.add(timer);
  }

  async #attempt(outgoing: Outgoing, again?: { retry: number; reason: string }): Promise<Delivery> {
    const { kind, type, payload } = outgoing;
    const at = this.#state.now();
    const answer = this.#sockets
      ? await overSocket(this.#sockets, outgoing, again)
      : await this.#overHttp(outgoing, at, again);
    this.#count += 1;
    const via = this.#sockets ? 'socket' : 'http';
    const retry = again?.retry ?? 0;
    const delivery: Delivery = { id: this.#count, kind, type, payload, via, at, retry, ...answer };
    this.#state.log(this.#state.deliveries, delivery);
    return delivery;
  }

  #overHttp(
    { door, contentType, body }: Outgoing,
    at: number,
    again: { retry: number; reason: string } | undefined,
  ): Promise<DeliveryAnswer> {
    const url = this.#target()[door];
    const headers = {
      ...signatureHeaders(this.#settings.signingSecret, Math.floor(at / 1000), body),
      'content-type': contentType,
      'user-agent': 'Slackbot 1.0 (+https://api.slack.com/robots)',
      accept: 'application/json,*/*',
      ...(again ? { 'x-slack-retry-num': String(again.retry), 'x-slack-retry-reason': again.reason } : {}),
    };
    return post(url, headers, body, this.#settings.answerLimitMs, this.#closing.signal);
  }
}

async function overSocket(
  sockets: SocketMode,
  { kind, payload }: Outgoing,
  again: { retry: number; reason: string } | undefined,
): Promise<DeliveryAnswer> {
  const startedAt = performance.now();
  const answer = await sockets.send(kind, payload, again);
  const latencyMs = performance.now() - startedAt;
  return {
    ...answer,
    ok: answer.failure === null,
    contentType: 'application/json',
    latencyMs,
    noRetry: false,
  };
}

const form = 'application/x-www-form-urlencoded';

/** https://docs.slack.dev/authentication/verifying-requests-from-slack */
export function signatureHeaders(
  secret: string,
  timestampSeconds: number,
  body: string,
): Record<string, string> {
  const digest = createHmac('sha256', secret).update(`v0:${timestampSeconds}:${body}`).digest('hex');
  return { 'x-slack-request-timestamp': String(timestampSeconds), 'x-slack-signature': `v0=${digest}` };
}

/** One POST over a connection of its own, given up after the limit. Redirects are not followed. Never rejects. */
function post(
  url: string,
  headers: Record<string, string>,
  body: string,
  limitMs: number,
  closing: AbortSignal,
): Promise<DeliveryAnswer> {
  const startedAt = performance.now();
  return new Promise((resolve) => {
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), limitMs);
    const finish = (answer: Pick<DeliveryAnswer, 'status' | 'body'> & Partial<DeliveryAnswer>): void => {
      clearTimeout(timer);
      const failure = answer.failure ?? (answer.status === 200 ? null : 'http_error');
      const latencyMs = performance.now() - startedAt;
      resolve({ contentType: '', noRetry: false, ...answer, failure, ok: failure === null, latencyMs });
    };
    const broken = (): void =>
      finish({ status: 0, body: '', failure: timeout.signal.aborted ? 'http_timeout' : 'connection_failed' });
    const send = url.startsWith('https:') ? httpsRequest : httpRequest;
    const signal = AbortSignal.any([closing, timeout.signal]);
    const options = {
      method: 'POST',
      agent: false,
      signal,
      headers: { ...headers, 'content-length': Buffer.byteLength(body) },
    };
    const request = send(url, options, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size <= mostAnswerBytes) chunks.push(chunk);
      });
      response.on('error', broken);
      response.on('end', () =>
        finish({
          status: response.statusCode ?? 0,
          body: Buffer.concat(chunks).toString('utf8'),
          contentType: response.headers['content-type'] ?? '',
          noRetry: response.headers['x-slack-no-retry'] === '1',
        }),
      );
    });
    request.on('error', broken);
    request.end(body);
  });
}
