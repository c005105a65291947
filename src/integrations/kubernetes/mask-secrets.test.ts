import { describe, expect, it } from 'vitest';
import { maskSecrets } from './mask-secrets.ts';

describe('maskSecrets', () => {
  const jwt = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl';

  it.each([
    ['dial postgres://app:s3cr3t@db:5432/x failed', 's3cr3t'],
    ['redis://:s3cr3t@cache:6379', 's3cr3t'],
    ['amqp://u:p@ss:s3cr3t@mq/', 's3cr3t'],
    ['Authorization: Bearer s3cr3t-s3cr3t', 's3cr3t'],
    ['authorization=Basic czNjcjN0Og==', 'czNjcjN0'],
    ['{"Authorization":"Digest username=x, response=s3cr3t"}', 's3cr3t'],
    ['sending bearer s3cr3ts3cr3t to upstream', 's3cr3t'],
    [`token ${jwt} expired`, 'eyJ'],
    ['DB_PASSWORD=s3cr3t', 's3cr3t'],
    ["password: 's3cr3t with spaces'", 's3cr3t'],
    ['{"clientSecret":"s3cr3t","user":"x"}', 's3cr3t'],
    ['{\\"api_key\\":\\"s3cr3t\\"}', 's3cr3t'],
    ['GET /x?access_token=s3cr3t&page=2', 's3cr3t'],
    ['started with --db-password s3cr3t --port 1', 's3cr3t'],
    ['X-Api-Key: s3cr3t', 's3cr3t'],
    ['Cookie: a=1; sid=s3cr3t', 's3cr3t'],
    [`using ${['xoxb', '1234567890', 's3cr3t'].join('-')}`, 's3cr3t'],
    ['key ghp_s3cr3ts3cr3ts3cr3ts3cr3t used', 's3cr3t'],
    [['AKIA', 'ABCDEFGHIJKLMNOP'].join(''), 'ABCDEFGHIJKLMNOP'],
    ['-----BEGIN RSA PRIVATE KEY-----\ns3cr3t\nline\n-----END RSA PRIVATE KEY-----\nrest', 's3cr3t'],
    ['-----BEGIN PRIVATE KEY-----\ns3cr3t', 's3cr3t'],
    ['s3cr3t\n-----END PRIVATE KEY-----\nrest', 's3cr3t'],
    ['posting to https://hooks.slack.com/services/T0/B0/s3cr3t', 's3cr3t'],
    ['secret := s3cr3t', 's3cr3t'],
  ])('%s', (text, secret) => {
    const masked = maskSecrets(text);
    expect(masked).toContain('***');
    expect(masked).not.toContain(secret);
    expect(maskSecrets(masked)).toBe(masked);
  });

  it.each([
    'panic: runtime error: invalid memory address or nil pointer dereference',
    'pulling registry.example.com/app@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    'trace_id=4bf92f3577b34da6a3ce929d0e0e4736 status=500',
    'failed to connect to https://example.com:8443/path: timeout',
    'user "system:serviceaccount:monitoring:gomon" cannot list resource "secrets" in API group ""',
    'the token has expired',
    '2026-01-01T00:00:00Z ERROR exit code 1',
  ])('leaves alone: %s', (text) => {
    expect(maskSecrets(text)).toBe(text);
  });

  it('is quick on long lines made to be slow', () => {
    for (const piece of ['a-', 'password', '"', 'a://', '-----BEGIN ', 'token=', ' '])
      maskSecrets(piece.repeat(20_000 / piece.length));
  });
});
