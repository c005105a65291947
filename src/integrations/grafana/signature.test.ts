import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';

import type { GrafanaSignatureSettings } from './signature.ts';
import { verifyGrafanaSignature } from './signature.ts';

const body = Buffer.from('{"alerts":[],"title":"\\u003c\\u0026 ä"}');
const receivedAt = new Date('2026-11-20T08:15:30.400Z');
const now = Math.floor(receivedAt.getTime() / 1_000);
const sign = (secret: string, text: string | Buffer) =>
  createHmac('sha256', secret).update(text).digest('hex');
const signAt = (secret: string, timestamp: string) =>
  sign(secret, Buffer.concat([Buffer.from(`${timestamp}:`), body]));

const plain: GrafanaSignatureSettings = {
  secrets: ['one', 'two'],
  signatureHeader: 'X-Grafana-Alerting-Signature',
  timestampHeader: null,
};
const timed: GrafanaSignatureSettings = { ...plain, timestampHeader: 'X-Grafana-Alerting-Timestamp' };
const verify = (settings: GrafanaSignatureSettings, signature?: string | string[], timestamp?: string) =>
  verifyGrafanaSignature(settings, {
    headers: { 'x-grafana-alerting-signature': signature, 'x-grafana-alerting-timestamp': timestamp },
    rawBody: body,
    receivedAt,
  });

describe('verifyGrafanaSignature', () => {
  it('has no opinion without secrets', () => {
    expect(verify({ ...plain, secrets: [] }, sign('one', body))).toBeUndefined();
  });

  it('accepts any of the secrets and either case', () => {
    expect(verify(plain, sign('one', body))).toEqual({ ok: true });
    expect(verify(plain, sign('two', body).toUpperCase())).toEqual({ ok: true });
    expect(verify(plain, [sign('two', body)])).toEqual({ ok: true });
  });

  it.each<[string, string | undefined, RegExp]>([
    ['none', undefined, /^The header X-Grafana-Alerting-Signature is missing/],
    ['an empty one', ' ', /is missing/],
    ['of another secret', sign('three', body), /does not match the body/],
    ['of other bytes', sign('one', JSON.stringify(JSON.parse(body.toString()))), /does not match the body/],
    ['cut off', sign('one', body).slice(0, 62), /does not match the body/],
    ['no hex', 'x'.repeat(64), /does not match the body/],
  ])('refuses a signature: %s', (_name, signature, reason) => {
    const result = verify(plain, signature);
    expect(result).toEqual({ ok: false, reason: expect.stringMatching(reason) as string });
    for (const secret of [...plain.secrets, sign('one', body)])
      expect(JSON.stringify(result)).not.toContain(`"${secret}`);
    expect(JSON.stringify(result)).not.toContain(sign('one', body));
  });

  it('accepts a signed timestamp up to five minutes off', () => {
    for (const offset of [0, -300, 300])
      expect(verify(timed, signAt('one', `${now + offset}`), `${now + offset}`)).toEqual({ ok: true });
  });

  it.each<[string, string | undefined, string, RegExp]>([
    ['missing', undefined, sign('one', body), /^The header X-Grafana-Alerting-Timestamp is missing/],
    ['no number', 'now', signAt('one', 'now'), /is not a time in Unix seconds/],
    [
      'old',
      `${now - 302}`,
      signAt('one', `${now - 302}`),
      /^The signed timestamp is 302 s old; at most 300 s/,
    ],
    [
      'in the future',
      `${now + 302}`,
      signAt('one', `${now + 302}`),
      /^The signed timestamp is 302 s in the future/,
    ],
    ['not the signed one', `${now}`, signAt('one', `${now - 5}`), /does not match the body/],
    ['not signed at all', `${now}`, sign('one', body), /does not match the body/],
  ])('refuses a timestamp: %s', (_name, timestamp, signature, reason) => {
    expect(verify(timed, signature, timestamp)).toEqual({
      ok: false,
      reason: expect.stringMatching(reason) as string,
    });
  });

  it('takes the tolerance from the settings', () => {
    const strict = { ...timed, timestampToleranceSeconds: 10 };
    expect(verify(strict, signAt('one', `${now - 10}`), `${now - 10}`)).toEqual({ ok: true });
    expect(verify(strict, signAt('one', `${now - 12}`), `${now - 12}`)).toMatchObject({ ok: false });
  });
});
