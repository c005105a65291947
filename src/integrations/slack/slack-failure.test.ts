import { describe, expect, it } from 'vitest';
import {
  failureOfAnswer,
  failureOfNetwork,
  failureOfStatus,
  reasonOfCode,
  withoutSecrets,
} from './slack-failure.ts';

describe('a failure of Slack', () => {
  it.each([
    ['ratelimited', 'rate-limited'],
    ['message_limit_exceeded', 'rate-limited'],
    ['service_unavailable', 'unavailable'],
    ['org_login_required', 'unavailable'],
    ['a_code_of_tomorrow', 'unavailable'],
    ['internal_error', 'unknown'],
    ['fatal_error', 'unknown'],
    ['channel_not_found', 'channel'],
    ['not_in_channel', 'channel'],
    ['is_archived', 'channel'],
    ['restricted_action', 'channel'],
    ['restricted_action_read_only_channel', 'channel'],
    ['missing_scope', 'app'],
    ['metadata_must_be_sent_from_app', 'app'],
    ['invalid_auth', 'auth'],
    ['token_revoked', 'auth'],
    ['invalid_blocks', 'payload'],
    ['invalid_metadata_format', 'payload'],
    ['msg_too_long', 'payload'],
    ['message_not_found', 'gone'],
    ['cant_update_message', 'gone'],
    ['expired_trigger_id', 'gone'],
    ['user_not_found', 'gone'],
  ])('with the code %s is of the kind %s', (code, reason) => {
    expect(reasonOfCode(code)).toBe(reason);
    expect(failureOfAnswer({ ok: false, error: code })).toMatchObject({ ok: false, reason, code });
  });

  it('says which scope is missing', () => {
    const { detail } = failureOfAnswer({
      error: 'missing_scope',
      needed: 'chat:write',
      provided: 'commands,users:read',
    });
    expect(detail).toContain('Scope needed: chat:write; granted: commands,users:read.');
  });

  it('says which block was refused', () => {
    const messages = ['[ERROR] must be more than 0 characters [json-pointer:/blocks/0/text/text]'];
    expect(failureOfAnswer({ error: 'invalid_blocks', response_metadata: { messages } }).detail).toContain(
      '/blocks/0/text',
    );
  });

  it('shows a little of a page that stands where an answer should', () => {
    const result = failureOfAnswer({ error: `<!DOCTYPE html>\n<html>${'Maintenance '.repeat(1_000)}` });
    expect(result).toMatchObject({ reason: 'unavailable', code: 'unexpected_answer' });
    expect(result.detail).toContain('<!DOCTYPE html> <html>Maintenance');
    expect(result.detail.length).toBeLessThan(250);
  });

  it.each([
    [429, '12', 'rate-limited', 12_000],
    [429, null, 'rate-limited', undefined],
    [429, 'Wed, 21 Oct 2026 07:28:00 GMT', 'rate-limited', undefined],
    [429, '999999', 'rate-limited', 3_600_000],
    [500, null, 'unknown', undefined],
    [503, '5', 'unknown', 5_000],
    [404, null, 'unavailable', undefined],
  ])('with HTTP %i and Retry-After %s', (status, retryAfter, reason, retryAfterMs) => {
    const result = failureOfStatus(status, retryAfter);
    expect(result).toMatchObject({ reason, code: `http_${status}` });
    expect(result.retryAfterMs).toBe(retryAfterMs);
  });

  it.each([
    ['ECONNREFUSED', 'unavailable'],
    ['ENOTFOUND', 'unavailable'],
    ['UND_ERR_CONNECT_TIMEOUT', 'unavailable'],
    ['ECONNRESET', 'unknown'],
    ['UND_ERR_SOCKET', 'unknown'],
  ])('of the network with %s is of the kind %s', (code, reason) => {
    const cause = Object.assign(new Error('broken'), { code });
    const wrapped = new Error('request failed', { cause: new TypeError('fetch failed', { cause }) });
    expect(failureOfNetwork(wrapped)).toMatchObject({ reason, code });
    const several = new Error('fetch failed', { cause: new AggregateError([cause, cause]) });
    expect(failureOfNetwork(several)).toMatchObject({ reason, code });
  });

  it('lets no token through', () => {
    const leaky = failureOfAnswer({
      error: 'invalid_auth',
      response_metadata: { messages: ['xoxb-1-abc and s3cret, xapp-1-A'] },
    });
    expect(withoutSecrets(leaky, 's3cret').detail).toMatch(/\[token\] and \[token\], \[token\]$/);
  });
});
