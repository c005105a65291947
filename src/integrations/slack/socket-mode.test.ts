import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startSlackSandbox } from '../../../sandbox/slack/server.ts';
import type { SlackSandbox, SlackSandboxOptions } from '../../../sandbox/slack/server.ts';
import { createLog } from '../../observability/log.ts';
import { createSlackSocket } from './socket-mode.ts';
import type { SlackSocket, SlackSocketOptions, SocketState, SocketTiming } from './socket-mode.ts';
import type { SlackEnvelope } from './socket-messages.ts';

const appToken = 'xapp-1-very-secret';
const help = { command: '/gomon', text: 'help', channel: '#alert-critical' };
const opened = { type: 'channel_rename' };

const rejections: unknown[] = [];
const noteRejection = (reason: unknown): void => void rejections.push(reason);
const running: { stop(): Promise<void> }[] = [];

beforeEach(() => {
  rejections.length = 0;
  process.on('unhandledRejection', noteRejection);
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((each) => each.stop()));
  await nextTurn();
  process.off('unhandledRejection', noteRejection);
  if (rejections.length > 0) throw new Error('a rejection was left unhandled', { cause: rejections[0] });
});

async function startSandbox(options: Partial<SlackSandboxOptions> = {}): Promise<SlackSandbox> {
  const sandbox = await startSlackSandbox({
    botToken: 'xoxb-test',
    signingSecret: 's',
    appToken,
    socketMode: true,
    limits: 'off',
    eventRetryDelaysMs: [0],
    ...options,
  });
  running.push({ stop: () => sandbox.close() });
  return sandbox;
}

type Rig = {
  socket: SlackSocket;
  envelopes: SlackEnvelope[];
  states: SocketState[];
  /** Resolves with the next state for which this holds, the present one included. */
  until(holds: (state: SocketState) => boolean): Promise<SocketState>;
};

/** Quick where the service is patient. */
const quick: Partial<SocketTiming> = { openTimeoutMs: 2_000, lingerMs: 10, backoffMs: () => 5 };

function connect(apiUrl: string, options: Partial<SlackSocketOptions> = {}): Rig {
  const states: SocketState[] = [];
  const waiting = new Set<() => void>();
  const envelopes: SlackEnvelope[] = [];
  const socket = createSlackSocket({
    appToken,
    apiUrl,
    log: createLog({ level: 'silent' }),
    onEnvelope: async (envelope) => {
      envelopes.push(envelope);
      return null;
    },
    onState: (state) => {
      states.push(state);
      for (const check of waiting) check();
    },
    ...options,
    timing: { ...quick, ...options.timing },
  });
  running.unshift(socket);
  socket.start();
  const until = (holds: (state: SocketState) => boolean): Promise<SocketState> =>
    new Promise((resolve) => {
      const check = (): void => {
        const state = states.at(-1);
        if (state === undefined || !holds(state)) return;
        waiting.delete(check);
        resolve(state);
      };
      waiting.add(check);
      check();
    });
  return { socket, envelopes, states, until };
}

const isOk = (state: SocketState): boolean => state.state === 'ok';
const saying =
  (text: string) =>
  (state: SocketState): boolean =>
    state.state === 'failing' && state.detail.includes(text);

describe('what comes over the socket', () => {
  it('is handed on as HTTP would bring it, and acknowledged with its answer', async () => {
    const sandbox = await startSandbox();
    const envelopes: SlackEnvelope[] = [];
    const rig = connect(sandbox.apiUrl, {
      onEnvelope: async (envelope) => {
        envelopes.push(envelope);
        return { response_type: 'ephemeral', text: 'hello' };
      },
    });
    await rig.until(isOk);
    expect(await sandbox.command(help)).toMatchObject({ ok: true, via: 'socket' });
    expect(sandbox.ephemerals()).toMatchObject([{ text: 'hello', origin: 'command' }]);
    expect(envelopes).toMatchObject([
      { kind: 'command', takesAnswer: true, retryAttempt: 0, payload: { command: '/gomon', text: 'help' } },
    ]);
    // An answer that Slack takes none for is kept back.
    expect(await sandbox.event(opened)).toMatchObject({ ok: true, body: '' });
    expect(envelopes.at(-1)).toMatchObject({
      kind: 'event',
      takesAnswer: false,
      payload: { type: 'event_callback', event: opened },
    });
    expect(sandbox.errors()).toEqual([]);
  });

  it('is acknowledged only when it was dealt with', async () => {
    const sandbox = await startSandbox();
    const dealt = Promise.withResolvers<null>();
    const rig = connect(sandbox.apiUrl, {
      onEnvelope: async ({ kind }) => (kind === 'event' ? dealt.promise : null),
    });
    await rig.until(isOk);
    let isAcknowledged = false;
    const delivery = sandbox.event(opened).then((done) => {
      isAcknowledged = true;
      return done;
    });
    // Sent after it, and acknowledged while it is in work.
    expect(await sandbox.command(help)).toMatchObject({ ok: true });
    expect(isAcknowledged).toBe(false);
    dealt.resolve(null);
    expect(await delivery).toMatchObject({ ok: true });
  });

  it('is not acknowledged when it could not be stored, and an event comes again', async () => {
    const sandbox = await startSandbox({ answerLimitMs: 100 });
    let tries = 0;
    const rig = connect(sandbox.apiUrl, {
      onEnvelope: async (envelope) => {
        tries += 1;
        expect(envelope.retryAttempt).toBe(tries - 1);
        if (tries === 1) throw new Error('the database is away');
        return null;
      },
    });
    await rig.until(isOk);
    expect(await sandbox.event(opened)).toMatchObject({ ok: false, failure: 'http_timeout', retry: 0 });
    const again = await sandbox.waitFor(() => sandbox.deliveries().find(({ retry }) => retry === 1));
    expect(again).toMatchObject({ ok: true });
    expect(tries).toBe(2);
  });
});

describe('the connection', () => {
  it.each(['warning', 'refresh_requested'] as const)(
    'is replaced before it goes when Slack says %s',
    async (reason) => {
      const sandbox = await startSandbox();
      const rig = connect(sandbox.apiUrl);
      await rig.until(isOk);
      sandbox.sockets.disconnect(reason, 60_000);
      // Two for a moment, then the new one alone.
      await sandbox.waitFor(() => sandbox.sockets.connections === 2);
      await sandbox.waitFor(() => sandbox.sockets.connections === 1);
      expect(await sandbox.event(opened)).toMatchObject({ ok: true });
      expect(rig.states.map(({ state }) => state)).toEqual(['failing', 'ok']);
    },
  );

  it('is opened again when it breaks, and when Slack says that Socket Mode is off', async () => {
    const sandbox = await startSandbox();
    const rig = connect(sandbox.apiUrl);
    await rig.until(isOk);
    sandbox.sockets.drop();
    await rig.until(saying('closed'));
    await rig.until(isOk);
    sandbox.fault({ method: 'apps.connections.open', kind: 'ok-false', error: 'internal_error', times: 2 });
    sandbox.sockets.disconnect('link_disabled', 0);
    await rig.until(saying('link_disabled'));
    await rig.until(isOk);
    expect(await sandbox.event(opened)).toMatchObject({ ok: true });
  });

  it('is given up when nothing is heard on it any more', async () => {
    const sandbox = await startSandbox();
    const rig = connect(sandbox.apiUrl, { timing: { pingEveryMs: 5 } });
    await rig.until(isOk);
    sandbox.sockets.freeze();
    await rig.until(saying('not answered'));
    await rig.until(isOk);
  });

  it('stays while its pings are answered', async () => {
    const sandbox = await startSandbox();
    const rig = connect(sandbox.apiUrl, { timing: { pingEveryMs: 5 } });
    await rig.until(isOk);
    await sandbox.waitFor(() => sandbox.sockets.pings > 20);
    expect(rig.states.map(({ state }) => state)).toEqual(['failing', 'ok']);
  });

  it('is found again when the server vanishes and comes back', async () => {
    const sandbox = await startSandbox();
    const rig = connect(sandbox.apiUrl);
    await rig.until(isOk);
    const port = Number(new URL(sandbox.url).port);
    await sandbox.close();
    await rig.until(saying('ECONNREFUSED'));
    const back = await startSandbox({ port });
    await rig.until(isOk);
    expect(await back.event(opened)).toMatchObject({ ok: true });
  });

  it('waits longer after each failure, and as long as Slack asks', async () => {
    const sandbox = await startSandbox();
    sandbox.fault({ method: 'apps.connections.open', kind: 'http-500', times: 2 });
    sandbox.fault({ method: 'apps.connections.open', kind: 'rate-limit', retryAfterSeconds: 1 });
    const asked: number[] = [];
    const startedAt = performance.now();
    const backoffMs = (failures: number): number => {
      asked.push(failures);
      return 5;
    };
    const rig = connect(sandbox.apiUrl, { timing: { backoffMs } });
    await rig.until(isOk);
    expect(asked).toEqual([0, 1, 2]);
    expect(performance.now() - startedAt).toBeGreaterThan(1_000);
  });

  it('that ends as soon as it stands counts as a failure', async () => {
    const sandbox = await startSandbox();
    const asked: number[] = [];
    const backoffMs = (failures: number): number => {
      asked.push(failures);
      return 5;
    };
    const rig = connect(sandbox.apiUrl, { timing: { backoffMs } });
    for (let count = 0; count < 3; count += 1) {
      await rig.until(isOk);
      sandbox.sockets.drop();
      await rig.until(saying('closed'));
    }
    await rig.until(isOk);
    expect(asked).toEqual([0, 1, 2]);
  });
});

describe('a socket that Slack does not let in', () => {
  it.each([
    ['xapp-wrong', 'invalid_auth'],
    ['xoxb-wrong', 'not_allowed_token_type'],
  ])('with the token %s says what to do, and tries on', async (token, code) => {
    const sandbox = await startSandbox();
    const rig = connect(sandbox.apiUrl, { appToken: token });
    const state = await rig.until(saying(code));
    expect(state).toMatchObject({ detail: expect.stringContaining('SLACK_APP_TOKEN') });
    await sandbox.waitFor(() => sandbox.calls('apps.connections.open').length >= 3);
    expect(JSON.stringify(rig.states)).not.toContain(token);
    expect(rig.states).toHaveLength(2);
  });

  it('because there are ten already says so', async () => {
    const sandbox = await startSandbox();
    const rigs = Array.from({ length: 10 }, () => connect(sandbox.apiUrl));
    await Promise.all(rigs.map((rig) => rig.until(isOk)));
    const tooMany = connect(sandbox.apiUrl);
    await tooMany.until(saying('too_many_websockets'));
    await rigs[0]?.socket.stop();
    await tooMany.until(isOk);
  });
});

/** A Slack that is odder than the sandbox: frames as they are given, and nothing else. */
async function startOddSlack(odd: {
  frames?: Buffer[];
  named?: string;
}): Promise<{ apiUrl: string; left: Promise<void> }> {
  const lines: Socket[] = [];
  /** The first line was ended from the other side. */
  const left = Promise.withResolvers<void>();
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ ok: true, url: odd.named ?? `ws://127.0.0.1:${port}/link/` }));
  });
  server.on('upgrade', (request, line: Socket) => {
    lines.push(line);
    line.on('error', () => undefined);
    line.on('end', () => left.resolve());
    line.resume();
    const key = `${request.headers['sec-websocket-key'] ?? ''}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    const accept = createHash('sha1').update(key).digest('base64');
    line.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    for (const frame of odd.frames ?? []) line.write(frame);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  running.push({
    stop: () =>
      new Promise((resolve) => {
        for (const line of lines) line.destroy();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
  return { apiUrl: `http://127.0.0.1:${port}/api/`, left: left.promise };
}

const textFrame = (text: string): Buffer =>
  Buffer.concat([Buffer.from([0x81, text.length]), Buffer.from(text)]);
const closeFrame = Buffer.from([0x88, 2, 0x03, 0xe8]);

describe('a Slack that behaves oddly', () => {
  it('and says no hello is tried again', async () => {
    const slack = await startOddSlack({});
    const rig = connect(slack.apiUrl, { timing: { openTimeoutMs: 50 } });
    await rig.until(saying('no hello within 50 ms'));
  });

  it('and leaves the line open after its goodbye is left', async () => {
    const slack = await startOddSlack({ frames: [textFrame('{"type":"hello"}'), closeFrame] });
    const rig = connect(slack.apiUrl, { timing: { pingEveryMs: 5 } });
    await rig.until(saying('Slack closed the connection'));
    await slack.left;
  });

  it('and turns us away without hanging up is left at once', async () => {
    const turnedAway = '{"type":"disconnect","reason":"too_many_websockets"}';
    const slack = await startOddSlack({ frames: [textFrame(turnedAway)] });
    const rig = connect(slack.apiUrl, { timing: { openTimeoutMs: 60_000 } });
    await rig.until(saying('too_many_websockets'));
    await slack.left;
  });

  it('and sends what nobody can read goes on being heard', async () => {
    const nonsense = ['{', '[]', '{"type":"hello"}', '{"type":"something_new"}', '{"type":"disconnect"}'];
    const slack = await startOddSlack({ frames: nonsense.map(textFrame) });
    const rig = connect(slack.apiUrl);
    await rig.until(isOk);
  });

  it.each([['http://slack.example/link'], ['not an address'], ['']])(
    'and names %j to connect to is not believed',
    async (named) => {
      const slack = await startOddSlack({ named });
      await connect(slack.apiUrl).until(saying('no wss address'));
    },
  );
});

describe('stopping', () => {
  it('waits for what is in work, and is quick', async () => {
    const sandbox = await startSandbox();
    const dealt = Promise.withResolvers<null>();
    const taken = Promise.withResolvers<void>();
    const rig = connect(sandbox.apiUrl, {
      onEnvelope: () => {
        taken.resolve();
        return dealt.promise;
      },
    });
    await rig.until(isOk);
    const delivery = sandbox.event(opened);
    await taken.promise;
    const stopped = rig.socket.stop();
    dealt.resolve(null);
    await stopped;
    expect(await delivery).toMatchObject({ ok: true });
    await sandbox.waitFor(() => sandbox.sockets.connections === 0);
  });

  it('is over within two seconds whatever hangs', async () => {
    const sandbox = await startSandbox();
    const taken = Promise.withResolvers<void>();
    const rig = connect(sandbox.apiUrl, {
      onEnvelope: () => {
        taken.resolve();
        return new Promise(() => undefined);
      },
    });
    await rig.until(isOk);
    void sandbox.event(opened);
    await taken.promise;
    sandbox.sockets.freeze();
    const startedAt = performance.now();
    await rig.socket.stop();
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });

  it('ends a call that is not answered, and a wait for the next try', async () => {
    const sandbox = await startSandbox();
    sandbox.fault({ method: 'apps.connections.open', kind: 'timeout-before' });
    const hanging = connect(sandbox.apiUrl);
    await sandbox.waitFor(() => sandbox.calls('apps.connections.open').length === 1);
    const waiting = connect(sandbox.apiUrl, { appToken: 'xapp-wrong', timing: { backoffMs: () => 60_000 } });
    await waiting.until(saying('invalid_auth'));
    const startedAt = performance.now();
    await Promise.all([hanging.socket.stop(), waiting.socket.stop()]);
    expect(performance.now() - startedAt).toBeLessThan(500);
    expect(sandbox.sockets.connections).toBe(0);
  });
});
