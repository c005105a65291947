import { randomUUID } from 'node:crypto';
import type { Answer } from './answer.ts';
import { iso } from './state.ts';

type Processed = {
  action: string;
  success: boolean;
  status: string;
  ids: Record<string, string>;
  processedAt: string;
  asksLeft: number;
};

const keptRequests = 5000;

/**
 * The vendor works asynchronously: a write is answered 202 with a request id,
 * and what became of it has to be asked for. Here it is done at once and only
 * the answer is late.
 */
export class Requests {
  readonly #processed = new Map<string, Processed>();
  readonly #pendingAsks: number;
  readonly #now: () => number;
  #failNext: string | null = null;

  constructor(pendingAsks: number, now: () => number) {
    this.#pendingAsks = pendingAsks;
    this.#now = now;
  }

  /** The next accepted request is not done; its status says this text. */
  failNext(status: string): void {
    this.#failNext = status;
  }

  /** `ids` of a failure are empty texts, as the vendor sends them. */
  accept(action: string, work: () => { ok: boolean; status: string; ids: Record<string, string> }): Answer {
    const failure = this.#failNext;
    this.#failNext = null;
    const { ok, status, ids } = failure === null ? work() : { ok: false, status: failure, ids: {} };
    const requestId = randomUUID();
    this.#processed.set(requestId, {
      action,
      success: ok,
      status,
      ids,
      processedAt: iso(this.#now()),
      asksLeft: this.#pendingAsks,
    });
    const oldest = this.#processed.keys().next();
    if (this.#processed.size > keptRequests && !oldest.done) this.#processed.delete(oldest.value);
    return { status: 202, requestId, body: { result: 'Request will be processed' } };
  }

  ask(requestId: string, idNames: readonly string[]): Answer {
    const request = this.#processed.get(requestId);
    if (request === undefined)
      return { status: 404, body: { message: 'Request not found. It might not be processed yet' } };
    if (request.asksLeft > 0) {
      request.asksLeft -= 1;
      return {
        status: 404,
        headers: { 'X-Opsgenie-Errortype': 'RequestNotProcessed' },
        body: { message: 'Request not found. It might not be processed yet' },
      };
    }
    const ids = Object.fromEntries(idNames.map((name) => [name, request.ids[name] ?? '']));
    const { action, success, status, processedAt } = request;
    return {
      status: 200,
      body: { data: { success, action, processedAt, integrationId, isSuccess: success, status, ...ids } },
    };
  }
}

const integrationId = 'c9cec2cb-e782-4ebb-bc1d-1b2fa703cf03';
