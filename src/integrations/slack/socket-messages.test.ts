import { describe, expect, it } from 'vitest';
import { readSocketMessage } from './socket-messages.ts';

const read = (content: unknown) => readSocketMessage(JSON.stringify(content));

describe('a message of Socket Mode', () => {
  it('can be a greeting or a goodbye', () => {
    expect(read({ type: 'hello', num_connections: 1, connection_info: { app_id: 'A1' } })).toEqual({
      kind: 'hello',
    });
    expect(read({ type: 'disconnect', reason: 'warning', debug_info: { host: 'h' } })).toEqual({
      kind: 'disconnect',
      reason: 'warning',
    });
    expect(read({ type: 'disconnect' })).toEqual({ kind: 'disconnect', reason: 'unnamed' });
  });

  it.each([
    ['interactive', 'interaction'],
    ['slash_commands', 'command'],
    ['events_api', 'event'],
  ])('of type %s is an envelope with an %s', (type, kind) => {
    const payload = { some: 'thing' };
    expect(read({ envelope_id: 'e1', type, payload, accepts_response_payload: true })).toEqual({
      kind: 'envelope',
      envelope: { id: 'e1', kind, payload, takesAnswer: true, retryAttempt: 0 },
    });
  });

  it('says how often it was sent before', () => {
    expect(
      read({ envelope_id: 'e1', type: 'events_api', payload: {}, retry_attempt: 2, retry_reason: 'timeout' }),
    ).toMatchObject({ envelope: { takesAnswer: false, retryAttempt: 2 } });
  });

  it('of an unknown type is to be acknowledged where it can be', () => {
    expect(read({ envelope_id: 'e1', type: 'something_new' })).toMatchObject({
      kind: 'other',
      envelopeId: 'e1',
    });
    expect(read({ type: 'constructor' })).toMatchObject({ kind: 'other', envelopeId: null });
  });

  it.each([['x'], ['{'], ['null'], ['[]'], ['{"type":1}'], [new ArrayBuffer(1)], [undefined]])(
    'such as %j is nothing',
    (data) => {
      expect(readSocketMessage(data)).toMatchObject({ kind: 'other', envelopeId: null });
    },
  );
});
