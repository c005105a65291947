import type { NotifyFailure } from '../../notify/notifier.ts';
import { failure, failureOfNetwork, failureOfStatus } from './slack-failure.ts';
import { escapeMrkdwn } from './slack-text.ts';

const respondTimeoutMs = 3_000;

/**
 * Answers a click or a command so that only that person sees it; works where
 * the app cannot post. Slack takes five answers within 30 minutes
 * (https://docs.slack.dev/interactivity/handling-user-interaction#message_responses).
 * Only https addresses are called; with `allowLoopback` (a sandbox), http on this machine too.
 */
export async function respondToUrl(
  message: { responseUrl: string; text: string; allowLoopback: boolean },
  signal?: AbortSignal,
): Promise<{ ok: true } | NotifyFailure> {
  const url = URL.parse(message.responseUrl);
  if (url === null || !(url.protocol === 'https:' || (message.allowLoopback && isLoopbackUrl(url)))) {
    return failure('gone', 'invalid_response_url', 'The address to answer to is not one of Slack.');
  }
  const timeout = AbortSignal.timeout(respondTimeoutMs);
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json; charset=utf-8' },
      body: JSON.stringify({
        response_type: 'ephemeral',
        replace_original: false,
        text: escapeMrkdwn(message.text),
      }),
      redirect: 'error',
      signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
    });
    await response.body?.cancel();
    return response.ok ? { ok: true } : expiredOr(response);
  } catch (error) {
    return failureOfNetwork(error);
  }
}

/** True for http and https addresses of this machine. */
export function isLoopbackUrl(url: URL): boolean {
  return url.protocol.startsWith('http') && /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(url.hostname);
}

function expiredOr(response: Response): NotifyFailure {
  if (response.status === 404 || response.status === 410) {
    return failure('gone', `http_${response.status}`, 'The address to answer to has expired.');
  }
  return failureOfStatus(response.status, response.headers.get('retry-after'));
}
