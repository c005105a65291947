import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { Agent, buildConnector, ping, WebSocket } from 'undici';
import { guardedConnect } from '../../lib/outgoing.ts';
import { readSocketMessage, type SlackEnvelope } from './socket-messages.ts';

export type ConnectionOptions = {
  /** From `apps.connections.open`; good for one connection, and as secret as a token. */
  url: string;
  /** From connecting to Slack's hello. */
  helloTimeoutMs: number;
  /** A ping goes out this often. */
  pingEveryMs: number;
  /** What the acknowledgement carries. When it rejects there is none, so that Slack counts it as failed. */
  onEnvelope: (envelope: SlackEnvelope) => Promise<Record<string, unknown> | null>;
  onTrouble: (error: unknown, envelope: SlackEnvelope | null) => void;
};

/** Slack's payloads are a few kilobytes. */
const maxMessageBytes = 4_000_000;
/** After this many pings without a sign of life the line is dead. Counted, not timed: a busy process is no dead line. */
const mostUnansweredPings = 4;
/** More than this many at once are not taken; Slack repeats events that nobody acknowledged. */
const maxEnvelopesInWork = 500;
/** Together well below the two seconds in which a stop has to be over. */
const drainMs = 1_000;
const closeHandshakeMs = 500;
const pongChannels = ['undici:websocket:ping', 'undici:websocket:pong'];

/**
 * One WebSocket of Socket Mode, from connecting to its end
 * (https://docs.slack.dev/apis/events-api/using-socket-mode). It never throws and
 * is not used again: `SlackSocket` opens the next one.
 */
export class SocketConnection {
  /** Slack said hello; false when it ended before that. */
  readonly ready: Promise<boolean>;
  /** Why it should be replaced: Slack announced its end, or it has ended. */
  readonly leaving: Promise<string>;
  /** Why it is over. */
  readonly ended: Promise<string>;
  readonly #options: ConnectionOptions;
  readonly #socket: WebSocket;
  readonly #agent: Agent;
  readonly #settleReady: (ready: boolean) => void;
  readonly #settleLeaving: (reason: string) => void;
  readonly #settleEnded: (reason: string) => void;
  readonly #inWork = new Set<Promise<void>>();
  readonly #helloTimer: NodeJS.Timeout;
  #pingTimer: NodeJS.Timeout | undefined;
  /** undici keeps it to itself, yet a peer that does not close it would hold it open. */
  #tcp: Socket | null = null;
  #unansweredPings = 0;
  #isOver = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    ({ promise: this.ready, resolve: this.#settleReady } = Promise.withResolvers<boolean>());
    ({ promise: this.leaving, resolve: this.#settleLeaving } = Promise.withResolvers<string>());
    ({ promise: this.ended, resolve: this.#settleEnded } = Promise.withResolvers<string>());
    // HTTP/2, which undici would offer, has no upgrade to a WebSocket at Slack.
    const connect = buildConnector({
      ...guardedConnect,
      allowH2: false,
      timeout: options.helloTimeoutMs,
    });
    this.#agent = new Agent({
      webSocket: { maxPayloadSize: maxMessageBytes },
      connect: (target, done) =>
        connect(target, (...result) => {
          this.#tcp = result[1];
          if (this.#isOver) this.#tcp?.destroy();
          done(...result);
        }),
    });
    this.#socket = new WebSocket(options.url, { dispatcher: this.#agent });
    this.#helloTimer = setTimeout(
      () => this.#end(`no hello within ${options.helloTimeoutMs} ms`),
      options.helloTimeoutMs,
    );
    this.#socket.addEventListener('open', () => this.#watch());
    this.#socket.addEventListener('message', ({ data }) => this.#hear(data));
    // Always followed by close, and its text may hold the address.
    this.#socket.addEventListener('error', () => undefined);
    this.#socket.addEventListener('close', ({ code }) => this.#end(`the connection was closed (${code})`));
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Lets what is in work be acknowledged, says goodbye, and ends in any case. */
  async close(): Promise<void> {
    await soon(Promise.allSettled(this.#inWork), drainMs);
    if (this.#isOver) return;
    this.#socket.close(1000);
    // Slack answers a goodbye, but leaves the line open.
    await soon(this.ended, closeHandshakeMs);
    this.#end('closed');
  }

  /** A line that is cut without a word looks like a quiet one: only pings tell. */
  #watch(): void {
    for (const channel of pongChannels) subscribe(channel, this.#hearPong);
    this.#pingTimer = setInterval(() => {
      // Slack's goodbye leaves the line open.
      if (this.#socket.readyState !== WebSocket.OPEN) return this.#end('Slack closed the connection');
      if (this.#unansweredPings >= mostUnansweredPings) {
        return this.#end(`${this.#unansweredPings} pings in a row were not answered`);
      }
      this.#unansweredPings += 1;
      ping(this.#socket);
    }, this.#options.pingEveryMs);
  }

  readonly #hearPong = (message: unknown): void => {
    // The channels tell of every WebSocket in the process.
    const { websocket } = message as { websocket?: unknown };
    if (websocket === this.#socket) this.#unansweredPings = 0;
  };

  #hear(data: unknown): void {
    this.#unansweredPings = 0;
    const message = readSocketMessage(data);
    switch (message.kind) {
      case 'hello':
        clearTimeout(this.#helloTimer);
        this.#settleReady(true);
        return;
      case 'disconnect':
        this.#settleLeaving(message.reason);
        return;
      case 'envelope':
        this.#take(message.envelope);
        return;
      case 'other':
        if (message.envelopeId === null) this.#options.onTrouble(new Error(message.detail), null);
        else this.#acknowledge(message.envelopeId, null);
        return;
      default:
        message satisfies never;
    }
  }

  #take(envelope: SlackEnvelope): void {
    const { onEnvelope, onTrouble } = this.#options;
    if (this.#inWork.size >= maxEnvelopesInWork) {
      onTrouble(new Error(`more than ${maxEnvelopesInWork} envelopes are in work`), envelope);
      return;
    }
    const work = onEnvelope(envelope)
      .then((answer) => this.#acknowledge(envelope.id, envelope.takesAnswer ? answer : null))
      .catch((error: unknown) => onTrouble(error, envelope))
      .finally(() => this.#inWork.delete(work));
    this.#inWork.add(work);
  }

  /** On a connection that is over it is lost, as an HTTP answer would be: what comes again is known by its key. */
  #acknowledge(envelopeId: string, answer: Record<string, unknown> | null): void {
    this.#socket.send(
      JSON.stringify({ envelope_id: envelopeId, ...(answer === null ? {} : { payload: answer }) }),
    );
  }

  #end(reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#helloTimer);
    clearInterval(this.#pingTimer);
    for (const channel of pongChannels) unsubscribe(channel, this.#hearPong);
    this.#tcp?.destroy();
    this.#agent.destroy().catch(() => undefined);
    this.#settleReady(false);
    this.#settleLeaving(reason);
    this.#settleEnded(reason);
  }
}

/** Waits for it, but not for longer than this. */
async function soon(work: Promise<unknown>, limitMs: number): Promise<void> {
  const limit = new AbortController();
  await Promise.race([work, wait(limitMs, undefined, { signal: limit.signal }).catch(() => undefined)]);
  limit.abort();
}
