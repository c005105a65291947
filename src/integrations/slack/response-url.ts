import type { Response } from 'undici';
import { outgoingFetch } from '../../lib/outgoing.ts';
import type { NotifyFailure } from '../../notify/notifier.ts';
import { failure, failureOfNetwork, failureOfStatus } from './slack-failure.ts';
import { displayText, escapeMrkdwn } from './slack-text.ts';

const respondTimeoutMs = 3_000;

/**
 * Answers a click or a command so that only that person sees it; works where
 * the app cannot post. Slack takes five answers within 30 minutes
 * (https://docs.slack.dev/interactivity/handling-user-interaction#message_responses).
 * The address came with a request: only hosts of Slack are called, and the one that
 * stands in for Slack (`apiUrl`).
 */
export async function respondToUrl(
  message: { responseUrl: string; text: string; apiUrl: string },
  signal?: AbortSignal,
): Promise<{ ok: true } | NotifyFailure> {
  const url = URL.parse(message.responseUrl);
  if (url === null || !isOfSlack(url, message.apiUrl)) {
    return failure('gone', 'invalid_response_url', 'The address to answer to is not one of Slack.');
  }
  const timeout = AbortSignal.timeout(respondTimeoutMs);
  try {
    const response = await outgoingFetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json; charset=utf-8' },
      body: JSON.stringify({
        response_type: 'ephemeral',
        replace_original: false,
        text: escapeMrkdwn(displayText(message.text)),
      }),
      signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
    });
    await response.body?.cancel();
    return response.ok ? { ok: true } : expiredOr(response);
  } catch (error) {
    return failureOfNetwork(error);
  }
}

/** Where Slack takes such answers; the second for governments (https://docs.slack.dev/govslack). */
const slackHosts = ['hooks.slack.com', 'hooks.slack-gov.com'];

/** By scheme, host and port: another port of the same machine is another service. */
export function isOfSlack(url: URL, apiUrl: string): boolean {
  if (url.username !== '' || url.password !== '') return false;
  if (url.protocol === 'https:' && url.port === '' && slackHosts.includes(url.hostname)) return true;
  const api = URL.parse(apiUrl);
  return api !== null && url.protocol === api.protocol && hostOf(url) === hostOf(api);
}

/** This machine has several names. */
function hostOf(url: URL): string {
  return url.host.replace(/^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?=:|$)/, 'this machine');
}

function expiredOr(response: Response): NotifyFailure {
  if (response.status === 404 || response.status === 410) {
    return failure('gone', `http_${response.status}`, 'The address to answer to has expired.');
  }
  return failureOfStatus(response.status, response.headers.get('retry-after'));
}
