import { describe, expect, it } from 'vitest';
import { isOfSlack, respondToUrl } from './response-url.ts';

const slack = 'https://slack.com/api/';
const sandbox = 'http://127.0.0.1:4010/api/';

describe('isOfSlack', () => {
  it.each([
    ['https://hooks.slack.com/actions/T1/2/x', slack],
    ['https://hooks.slack-gov.com/commands/T1/2/x', 'https://slack-gov.com/api/'],
    ['https://slack.com/api/x', slack],
    ['https://hooks.slack.com/actions/T1/2/x', sandbox],
    ['http://127.0.0.1:4010/hooks/1', sandbox],
    ['http://localhost:4010/hooks/1', sandbox],
    ['https://slack-proxy.example.com/hooks/1', 'https://slack-proxy.example.com/api/'],
  ])('%s is called while the API is %s', (url, apiUrl) => {
    expect(isOfSlack(new URL(url), apiUrl)).toBe(true);
  });

  it.each([
    ['http://hooks.slack.com/actions/T1/2/x', slack],
    ['https://hooks.slack.com:8443/actions/T1/2/x', slack],
    ['https://hooks.slack.com.evil.example/actions/T1/2/x', slack],
    ['https://evil.example/hooks.slack.com', slack],
    ['https://hooks.slack.com@evil.example/', slack],
    ['https://user:password@hooks.slack.com/', slack],
    ['https://files.slack.com/x', slack],
    ['http://127.0.0.1:4010/hooks/1', slack],
    ['http://169.254.169.254/latest/meta-data/', slack],
    ['http://169.254.169.254/latest/meta-data/', sandbox],
    ['http://127.0.0.1:4011/hooks/1', sandbox],
    ['https://127.0.0.1:4010/hooks/1', sandbox],
    ['http://10.0.0.8:4010/hooks/1', sandbox],
    ['file:///etc/passwd', sandbox],
    ['gopher://127.0.0.1:4010/', sandbox],
  ])('%s is not called while the API is %s', (url, apiUrl) => {
    expect(isOfSlack(new URL(url), apiUrl)).toBe(false);
  });
});

describe('respondToUrl', () => {
  it.each(['https://evil.example/x', 'no address', 'http://169.254.169.254/'])(
    'refuses %s without a call',
    async (responseUrl) => {
      expect(await respondToUrl({ responseUrl, text: 'x', apiUrl: sandbox })).toMatchObject({
        ok: false,
        code: 'invalid_response_url',
      });
    },
  );
});
