import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createLog } from './log.ts';
import { createMask } from './mask.ts';

describe('the mask', () => {
  it.each([
    ['a bot token xoxb-123-abc-DEF in a text', 'a bot token *** in a text'],
    ['xapp-1-A0-77-abcdef', '***'],
    ['authorization: Bearer abc.def-ghi', 'authorization: Bearer ***'],
    ['authorization: GenieKey 12345678-aaaa', 'authorization: GenieKey ***'],
    ['postgresql://gomon:hunter2@db.internal:5432/gomon', 'postgresql://***@db.internal:5432/gomon'],
    ['https://example.com/x?a=1&token=abc&b=2', 'https://example.com/x?a=1&token=***&b=2'],
    ['api_key=abc', 'api_key=***'],
    ['https://hooks.slack.com/services/T0/B0/abcdef', 'https://hooks.slack.com/services/***'],
    ['gomon_abcdefghijklmnopqrstuvwxyz0123456789', '***'],
  ])('%s', (text, expected) => {
    expect(createMask([])(text)).toBe(expected);
  });

  it('leaves ordinary lines as they are', () => {
    const line = JSON.stringify({
      msg: 'message posted',
      channel: '#alert-critical',
      detail: 'key: value; a basic check of token buckets, gomon_jobs_pending{task}',
      url: 'http://127.0.0.1:8080/api/v1/alerts?status=firing',
      dedupKey: 'a=b',
    });
    expect(createMask([])(line)).toBe(line);
  });

  it('takes out what is configured, in every spelling', () => {
    const mask = createMask(['s3cr"et/value', 'ok']);
    expect(mask('s3cr"et/value ok')).toBe('*** ok');
    expect(mask(JSON.stringify({ a: 's3cr"et/value' }))).toBe('{"a":"***"}');
    expect(mask(encodeURIComponent('s3cr"et/value'))).toBe('***');
  });
});

describe('a log', () => {
  const lines: string[] = [];
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString());
      done();
    },
  });

  it('writes no secret, wherever it stands: fields, headers, URLs, errors and their causes', () => {
    const log = createLog({ level: 'debug', destination, secrets: ['configured-secret'] });
    const cause = new Error('connect postgresql://gomon:hunter2@db/gomon');
    log.error(
      {
        err: new Error('refused: Authorization: GenieKey 0123-4567', { cause }),
        headers: { authorization: 'Bearer abcdefgh', cookie: 'session=abcdefgh' },
        url: 'https://slack.com/api/x?token=abcdefgh',
        nested: { token: 'abcdefgh', note: 'it is configured-secret' },
      },
      'xoxb-1234-abcdefgh was refused',
    );
    const [line = ''] = lines;
    for (const secret of ['hunter2', '0123-4567', 'abcdefgh', 'configured-secret'])
      expect(line).not.toContain(secret);
    expect(JSON.parse(line)).toMatchObject({ level: 'error', msg: '*** was refused' });
  });
});
