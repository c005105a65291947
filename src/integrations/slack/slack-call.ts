import { WebClient } from '@slack/web-api';
import { outgoingFetch } from '../../lib/outgoing.ts';
import type { NotifyFailure } from '../../notify/notifier.ts';
import {
  failure,
  failureOfAnswer,
  failureOfNetwork,
  failureOfStatus,
  withoutSecrets,
} from './slack-failure.ts';

export type SlackConnection = {
  /** The bot token, or the app token for what Socket Mode needs. */
  token: string;
  /** Base of the Web API, `https://slack.com/api/`. */
  apiUrl: string;
  timeoutMs: number;
};

export type SlackAnswer = { ok: true; data: Record<string, unknown> };

export type SlackRequest = {
  method: string;
  args: Record<string, unknown>;
  signal?: AbortSignal | undefined;
  /** Instead of the connection's. */
  timeoutMs?: number;
};

/** History pages are the largest answers we ask for. */
const maxAnswerBytes = 8_000_000;

// The SDK logs to the console by itself, request bodies included; outcomes are ours to report.
const silent = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  setLevel: () => undefined,
  getLevel: () => silentLevel,
  setName: () => undefined,
};
type Logger = NonNullable<NonNullable<ConstructorParameters<typeof WebClient>[1]>['logger']>;
const silentLevel = 'error' as ReturnType<Logger['getLevel']>;

/**
 * One call of a Web API method: one request, no retry, and an outcome for
 * whatever happens.
 *
 * Each call has a client of its own (a few hundredths of a millisecond): the
 * SDK's client is a queue that a rate limit of one method stops for all
 * others, and it takes no AbortSignal.
 */
export async function callSlack(
  connection: SlackConnection,
  request: SlackRequest,
): Promise<SlackAnswer | NotifyFailure> {
  const { signal } = request;
  // Nothing was sent, so nothing can have been applied.
  if (signal?.aborted === true) return failure('unavailable', 'aborted', 'Given up before it was sent.');
  let refused: NotifyFailure | undefined;
  const client = new WebClient(connection.token, {
    slackApiUrl: connection.apiUrl,
    timeout: request.timeoutMs ?? connection.timeoutMs,
    retryConfig: { retries: 0 },
    rejectRateLimitedCalls: true,
    allowAbsoluteUrls: false,
    logger: silent,
    fetch: async (input, init) => {
      const signals = [init?.signal, signal].filter((given) => given !== undefined && given !== null);
      const response = await outgoingFetch(input, { ...init, signal: AbortSignal.any(signals) });
      if (response.status !== 200)
        refused = failureOfStatus(response.status, response.headers.get('retry-after'));
      const body = await readBounded(response, maxAnswerBytes);
      return new Response(body, { status: response.status, headers: response.headers });
    },
  });
  try {
    const data = await client.apiCall(request.method, request.args);
    return { ok: true, data: { ...data } };
  } catch (error) {
    const data = refused === undefined ? answerIn(error) : undefined;
    // Slack knows this `client_msg_id` already: the message stands.
    if (data?.['is_duplicate'] === true) return { ok: true, data };
    return withoutSecrets(refused ?? failureOfError(error, data, signal), connection.token);
  }
}

/** The body of an `{ok: false}` answer, which the SDK's error carries. */
function answerIn(error: unknown): Record<string, unknown> | undefined {
  const data = error instanceof Error && 'data' in error ? error.data : undefined;
  return typeof data === 'object' && data !== null ? { ...data } : undefined;
}

function failureOfError(
  error: unknown,
  data: Record<string, unknown> | undefined,
  signal: AbortSignal | undefined,
): NotifyFailure {
  if (data !== undefined) return failureOfAnswer(data);
  if (signal?.aborted === true) {
    return failure('unknown', 'aborted', 'Given up while waiting for Slack, which may have done it.');
  }
  return failureOfNetwork(error);
}

async function readBounded(response: Response, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > maxBytes) throw new Error(`Slack's answer is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}
