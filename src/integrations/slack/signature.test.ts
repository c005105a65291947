import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { slackSignature, verifySlackSignature } from './signature.ts';
import type { SignedRequest } from './signature.ts';

const nowMs = Date.UTC(2026, 2, 1, 10, 0, 0);
const nowS = nowMs / 1_000;
const rawBody = Buffer.from('payload=%7B%22type%22%3A%22block_actions%22%7D');

function signed(
  changes: { secret?: string; timestamp?: string; body?: Buffer; headers?: SignedRequest['headers'] } = {},
): SignedRequest {
  const timestamp = changes.timestamp ?? String(nowS);
  const secret = changes.secret ?? 'current-secret';
  const hex = createHmac('sha256', secret)
    .update(`v0:${timestamp}:${String(rawBody)}`)
    .digest('hex');
  return {
    headers: changes.headers ?? { 'x-slack-signature': `v0=${hex}`, 'x-slack-request-timestamp': timestamp },
    rawBody: changes.body ?? rawBody,
    secrets: ['current-secret', 'next-secret'],
    nowMs,
  };
}

describe("Slack's signature", () => {
  it('is accepted, with either secret of a rotation, up to 300 s apart', () => {
    expect(verifySlackSignature(signed())).toEqual({ ok: true });
    expect(verifySlackSignature(signed({ secret: 'next-secret' }))).toEqual({ ok: true });
    expect(verifySlackSignature(signed({ timestamp: String(nowS - 300) }))).toEqual({ ok: true });
    expect(verifySlackSignature(signed({ timestamp: String(nowS + 300) }))).toEqual({ ok: true });
  });

  it('is what the sandbox makes of it', () => {
    const headers = {
      'x-slack-signature': slackSignature('current-secret', String(nowS), rawBody),
      'x-slack-request-timestamp': String(nowS),
    };
    expect(verifySlackSignature(signed({ headers }))).toEqual({ ok: true });
  });

  it.each([
    ['a wrong secret', signed({ secret: 'guessed' }), 'does not match'],
    ['another body', signed({ body: Buffer.from('payload=x') }), 'does not match'],
    ['an old request', signed({ timestamp: String(nowS - 301) }), '301 s old'],
    ['one from the future', signed({ timestamp: String(nowS + 301) }), '301 s in the future'],
    ['a timestamp with a fraction', signed({ timestamp: `${nowS}.5` }), 'whole number'],
    ['a timestamp that is none', signed({ timestamp: 'now' }), 'whole number'],
    [
      'no signature',
      signed({ headers: { 'x-slack-request-timestamp': String(nowS) } }),
      'X-Slack-Signature is missing',
    ],
    ['no timestamp', signed({ headers: { 'x-slack-signature': 'v0=00' } }), 'Timestamp is missing'],
    [
      'a signature of another form',
      signed({ headers: { 'x-slack-signature': 'v0=zz', 'x-slack-request-timestamp': String(nowS) } }),
      'not of the form',
    ],
    ['no secret at all', { ...signed(), secrets: [] }, 'no signing secret'],
    ['an empty secret', { ...signed({ secret: '' }), secrets: [''] }, 'no signing secret'],
  ])('refuses %s', (_what, request, reason) => {
    const verdict = verifySlackSignature(request);
    expect(verdict).toEqual({ ok: false, reason: expect.stringContaining(reason) });
    expect(JSON.stringify(verdict)).not.toContain('current-secret');
  });
});
