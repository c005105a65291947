import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { isObject, parseJson } from './json.ts';
import type { JsonObject } from './json.ts';
import type { Delivery, DeliveryAnswer } from './model.ts';
import type { SlackState } from './state.ts';

export type DisconnectReason = 'warning' | 'refresh_requested' | 'link_disabled' | 'too_many_websockets';

type Connection = { socket: WebSocket; isLeaving: boolean; closing: NodeJS.Timeout | null };
type Waiting = { connection: Connection; takesAnswer: boolean; settle: (answer: SocketAnswer) => void };
type SocketAnswer = Pick<DeliveryAnswer, 'status' | 'body' | 'failure'>;

/** Slack's: ten connections for an app, and an address that has to be used soon, once. */
const mostConnections = 10;
const ticketLifeMs = 30_000;
const envelopeTypes = { interaction: 'interactive', command: 'slash_commands', event: 'events_api' };

/**
 * Socket Mode: the connections the app opened, over which envelopes go instead of
 * HTTP requests. https://docs.slack.dev/apis/events-api/using-socket-mode
 */
export class SocketMode {
  readonly #state: SlackState;
  readonly #answerLimitMs: number;
  readonly #server = new WebSocketServer({ noServer: true, maxPayload: 1_000_000 });
  readonly #tickets = new Map<string, number>();
  readonly #connections: Connection[] = [];
  readonly #waiting = new Map<string, Waiting>();
  #turn = 0;
  #pings = 0;

  constructor(state: SlackState, answerLimitMs: number) {
    this.#state = state;
    this.#answerLimitMs = answerLimitMs;
  }

  /** How many stand. */
  get connections(): number {
    return this.#connections.length;
  }

  /** How many pings of the app were answered. */
  get pings(): number {
    return this.#pings;
  }

  attach(server: Server): void {
    server.on('upgrade', (request, stream, head) => this.#upgrade(request, stream, head));
  }

  /** For `apps.connections.open`: an address good for one connection. */
  issueUrl(baseUrl: string): string {
    const ticket = randomUUID();
    this.#tickets.set(ticket, this.#state.now());
    return `${baseUrl.replace(/^http/, 'ws')}/link/?ticket=${ticket}&app_id=${this.#state.app.appId}`;
  }

  /** Over one of the connections, in turn; answers with the acknowledgement, or what there was instead. */
  send(
    kind: Delivery['kind'],
    payload: JsonObject,
    again?: { retry: number; reason: string },
  ): Promise<SocketAnswer> {
    const connection = this.#next();
    if (!connection) return Promise.resolve(broken);
    const id = randomUUID();
    const takesAnswer = kind !== 'event';
    return new Promise((resolve) => {
      const settle = (answer: SocketAnswer): void => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        resolve(answer);
      };
      const timer = setTimeout(() => settle({ ...broken, failure: 'http_timeout' }), this.#answerLimitMs);
      this.#waiting.set(id, { connection, takesAnswer, settle });
      const retries =
        kind === 'event' ? { retry_attempt: again?.retry ?? 0, retry_reason: again?.reason ?? '' } : {};
      const envelope = {
        envelope_id: id,
        type: envelopeTypes[kind],
        payload,
        accepts_response_payload: takesAnswer,
        ...retries,
      };
      connection.socket.send(JSON.stringify(envelope));
    });
  }

  /** Slack tells every connection to go, and closes it a while later. */
  disconnect(reason: DisconnectReason = 'warning', closeAfterMs = 10_000): void {
    for (const connection of this.#connections) this.#dismiss(connection, reason, closeAfterMs);
  }

  /** The lines break without a word. */
  drop(): void {
    for (const { socket } of this.#connections) socket.terminate();
  }

  /** The lines stay, but nothing is heard on them any more: as when a router has forgotten them. */
  freeze(): void {
    for (const { socket } of this.#connections) socket.pause();
  }

  close(): void {
    this.drop();
    this.#server.close();
  }

  #upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    const url = new URL(request.url ?? '/', 'ws://localhost');
    const ticket = url.searchParams.get('ticket') ?? '';
    const issuedAt = this.#tickets.get(ticket);
    this.#tickets.delete(ticket);
    if (url.pathname !== '/link/' || issuedAt === undefined || this.#state.now() - issuedAt > ticketLifeMs) {
      stream.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    this.#server.handleUpgrade(request, stream, head, (socket) => this.#welcome(socket));
  }

  #welcome(socket: WebSocket): void {
    const connection: Connection = { socket, isLeaving: false, closing: null };
    socket.on('error', () => undefined);
    if (this.#connections.length >= mostConnections) {
      this.#dismiss(connection, 'too_many_websockets', 0);
      return;
    }
    this.#connections.push(connection);
    socket.on('message', (data) => this.#acknowledged(connection, String(data)));
    socket.on('ping', () => {
      this.#pings += 1;
      this.#state.feed.changed();
    });
    socket.on('close', () => this.#gone(connection));
    const hello = {
      type: 'hello',
      num_connections: this.#connections.length,
      debug_info: { host: 'applink-sandbox', build_number: 1, approximate_connection_time: 18_060 },
      connection_info: { app_id: this.#state.app.appId },
    };
    socket.send(JSON.stringify(hello));
    this.#state.feed.changed();
  }

  #dismiss(connection: Connection, reason: DisconnectReason, closeAfterMs: number): void {
    connection.isLeaving = true;
    const debugInfo = { host: 'applink-sandbox' };
    connection.socket.send(JSON.stringify({ type: 'disconnect', reason, debug_info: debugInfo }));
    connection.closing = setTimeout(() => connection.socket.close(1000), closeAfterMs);
  }

  #gone(connection: Connection): void {
    if (connection.closing) clearTimeout(connection.closing);
    this.#connections.splice(this.#connections.indexOf(connection), 1);
    for (const waiting of this.#waiting.values())
      if (waiting.connection === connection) waiting.settle(broken);
    this.#state.feed.changed();
  }

  /** One that is about to go is used only where there is no other. */
  #next(): Connection | undefined {
    const staying = this.#connections.filter((each) => !each.isLeaving);
    const usable = staying.length > 0 ? staying : this.#connections;
    this.#turn += 1;
    return usable[this.#turn % Math.max(1, usable.length)];
  }

  #acknowledged(connection: Connection, text: string): void {
    const message = parseJson(text);
    const id = isObject(message) ? message['envelope_id'] : undefined;
    const waiting = typeof id === 'string' ? this.#waiting.get(id) : undefined;
    const refuse = (error: string): void =>
      this.#state.refuse('socket', error, text.slice(0, 200), isObject(message) ? message : {});
    if (!isObject(message) || !waiting || waiting.connection !== connection) {
      refuse('unknown_envelope');
      return;
    }
    const { payload } = message;
    if (payload !== undefined && !waiting.takesAnswer) refuse('payload_not_accepted');
    const body = payload === undefined || !waiting.takesAnswer ? '' : JSON.stringify(payload);
    waiting.settle({ status: 200, body, failure: null });
  }
}

const broken: SocketAnswer = { status: 0, body: '', failure: 'connection_failed' };
