import { setTimeout as wait } from 'node:timers/promises';
import type { NotifyFailure } from '../../notify/notifier.ts';
import { backoffMs } from '../../lib/backoff.ts';
import { isForbiddenHost } from '../../lib/forbidden-address.ts';
import type { Log } from '../../observability/log.ts';
import { callSlack } from './slack-call.ts';
import { SocketConnection } from './socket-connection.ts';
import type { SlackEnvelope } from './socket-messages.ts';

export type SlackSocketOptions = {
  /** `xapp-…`, with the scope `connections:write`. */
  appToken: string;
  /** Base of the Web API, `https://slack.com/api/` or a sandbox's. */
  apiUrl: string;
  /**
   * Stores what came; answers what its acknowledgement carries. When it rejects,
   * nothing is acknowledged: Slack repeats an event, and tells the person of a
   * click or a command that failed.
   */
  onEnvelope: (envelope: SlackEnvelope) => Promise<Record<string, unknown> | null>;
  onState: (state: SocketState) => void;
  log: Log;
  timing?: Partial<SocketTiming>;
};

export type SocketState = { state: 'ok' } | { state: 'failing'; detail: string };

export type SocketTiming = {
  /** For asking for an address, and again for connecting until Slack says hello. */
  openTimeoutMs: number;
  pingEveryMs: number;
  /** A connection that lasted this long was a good one: the next is opened without waiting. */
  settledAfterMs: number;
  /** How long one that is replaced still takes what Slack sends it. */
  lingerMs: number;
  /** Wait after this many failures, 0 for the first. */
  backoffMs: (failures: number) => number;
};

const defaultTiming: SocketTiming = {
  openTimeoutMs: 10_000,
  pingEveryMs: 2_500,
  settledAfterMs: 30_000,
  lingerMs: 5_000,
  backoffMs: (failures) => backoffMs(failures),
};

/** Where Slack names no period. */
const rateLimitedMs = 30_000;

export type SlackSocket = {
  /** Returns at once: Slack may be down now, and is tried for ever. */
  start(): void;
  /** Waits a second at most for what is in work, and is over within two. */
  stop(): Promise<void>;
};

/**
 * Socket Mode: Slack's clicks, commands and events over a WebSocket that we open,
 * for a service without a public address
 * (https://docs.slack.dev/apis/events-api/using-socket-mode).
 *
 * Not by the client of `@slack/socket-mode`: as of its version 3.1 it closes a
 * connection that Slack is about to recycle, which happens every few hours, and
 * waits 5 s before it opens the next, while clicks are lost (Slack does not repeat
 * them); it leaves the promise of a failed reconnect uncaught, which ends the
 * process (https://github.com/slackapi/node-slack-sdk/issues/2656); it waits for
 * a hello without limit and up to 30 s for a goodbye. Here the next connection
 * stands before the old one goes, and everything has a limit.
 */
export function createSlackSocket(options: SlackSocketOptions): SlackSocket {
  return new SocketSupervisor(options);
}

type Opened =
  | { ok: true; connection: SocketConnection }
  | { ok: false; detail: string; retryAfterMs: number };

/** Keeps one connection open, for ever. */
class SocketSupervisor implements SlackSocket {
  readonly #options: SlackSocketOptions;
  readonly #timing: SocketTiming;
  readonly #stop = new AbortController();
  /** Those not over yet: the one being opened, the one in use, those it replaced. */
  readonly #connections = new Set<SocketConnection>();
  /** Those of them that Slack said hello on. */
  readonly #usable = new Set<SocketConnection>();
  #loop: Promise<void> | null = null;
  #told: string | null = null;

  constructor(options: SlackSocketOptions) {
    this.#options = options;
    this.#timing = { ...defaultTiming, ...options.timing };
  }

  start(): void {
    if (this.#loop !== null) return;
    this.#told = 'not connected yet';
    this.#options.onState({ state: 'failing', detail: this.#told });
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all([...this.#connections].map((connection) => connection.close()));
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    let failures = 0;
    while (!signal.aborted) {
      const replaced = [...this.#usable];
      const opened = await this.#open();
      let pauseMs = 0;
      if (opened.ok) {
        for (const connection of replaced) void this.#retire(connection);
        const since = performance.now();
        const reason = await opened.connection.leaving;
        if (signal.aborted) return;
        failures = performance.now() - since >= this.#timing.settledAfterMs ? 0 : failures + 1;
        this.#options.log.info({ reason }, 'the Slack socket has to be replaced');
      } else {
        failures += 1;
        pauseMs = opened.retryAfterMs;
        if (this.#usable.size === 0) this.#failing(opened.detail);
      }
      if (failures > 0) {
        pauseMs = Math.max(pauseMs, this.#timing.backoffMs(failures - 1));
        await wait(pauseMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  async #open(): Promise<Opened> {
    const { appToken: token, apiUrl, onEnvelope, log } = this.#options;
    const { openTimeoutMs, pingEveryMs } = this.#timing;
    const { signal } = this.#stop;
    const answer = await callSlack(
      { token, apiUrl, timeoutMs: openTimeoutMs },
      { method: 'apps.connections.open', args: {}, signal },
    );
    if (!answer.ok) return failureToOpen(answer);
    const url = socketUrl(answer.data['url'], apiUrl);
    if (url === null) {
      return { ok: false, detail: 'apps.connections.open named no wss address', retryAfterMs: 0 };
    }
    if (signal.aborted) return { ok: false, detail: 'stopped', retryAfterMs: 0 };
    const connection = new SocketConnection({
      url,
      helloTimeoutMs: openTimeoutMs,
      pingEveryMs,
      onEnvelope,
      onTrouble: (error, envelope) =>
        log.warn(
          { err: error, kind: envelope?.kind, retryAttempt: envelope?.retryAttempt },
          'something from the Slack socket was not acknowledged',
        ),
    });
    this.#connections.add(connection);
    void connection.ended.then((reason) => this.#forget(connection, reason));
    // One that is turned away (too many connections) is told so instead of a hello.
    const isReady = await Promise.race([connection.ready, connection.leaving.then(() => false)]);
    if (!isReady) {
      const reason = await connection.leaving;
      await connection.close();
      return { ok: false, detail: adviceOn(reason), retryAfterMs: 0 };
    }
    this.#usable.add(connection);
    this.#ok();
    return { ok: true, connection };
  }

  /** Slack may still have something on its way to the old one. */
  async #retire(connection: SocketConnection): Promise<void> {
    const { signal } = this.#stop;
    const linger = wait(this.#timing.lingerMs, undefined, { signal }).catch(() => undefined);
    await Promise.race([linger, connection.ended]);
    await connection.close();
  }

  async #forget(connection: SocketConnection, reason: string): Promise<void> {
    this.#connections.delete(connection);
    if (!this.#usable.delete(connection) || this.#usable.size > 0) return;
    const announced = await connection.leaving;
    this.#failing(announced === reason ? reason : adviceOn(announced));
  }

  #ok(): void {
    if (this.#told === null) return;
    this.#told = null;
    this.#options.log.info('the Slack socket is connected');
    this.#options.onState({ state: 'ok' });
  }

  /** Said once as long as it stays the same: it is tried for ever. */
  #failing(detail: string): void {
    if (this.#stop.signal.aborted || this.#told === detail) return;
    this.#told = detail;
    this.#options.log.warn({ detail }, 'the Slack socket is not connected');
    this.#options.onState({ state: 'failing', detail });
  }
}

/** Null unless it is encrypted; a sandbox without encryption may name an address like its own. */
function socketUrl(given: unknown, apiUrl: string): string | null {
  const url = typeof given === 'string' ? URL.parse(given) : null;
  if (url === null || isForbiddenHost(url.hostname)) return null;
  const isPlain = url.protocol === 'ws:' && URL.parse(apiUrl)?.protocol === 'http:';
  return url.protocol === 'wss:' || isPlain ? url.href : null;
}

function failureToOpen(failure: NotifyFailure): Opened {
  const needsToken = failure.reason === 'auth' || failure.reason === 'app';
  const advice = needsToken
    ? 'Slack does not accept the app token: create one with the scope connections:write and set SLACK_APP_TOKEN.'
    : 'It is tried again.';
  return {
    ok: false,
    detail: `apps.connections.open: ${failure.code}. ${advice}`,
    retryAfterMs: failure.retryAfterMs ?? (failure.reason === 'rate-limited' ? rateLimitedMs : 0),
  };
}

/** What somebody can do about the reasons Slack gives for a disconnect. */
function adviceOn(reason: string): string {
  switch (reason) {
    case 'link_disabled':
      return 'link_disabled: Socket Mode is switched off in the settings of the Slack app.';
    case 'too_many_websockets':
      return 'too_many_websockets: Slack allows an app ten connections, one for each process.';
    default:
      return reason;
  }
}
