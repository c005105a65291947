import { describe, expect, it } from 'vitest';
import { channelNewsIn, parseEvent } from './events.ts';

const parse = (content: unknown) => parseEvent(Buffer.from(JSON.stringify(content)));

describe('an event', () => {
  it('of the URL check is answered with its challenge', () => {
    expect(parse({ type: 'url_verification', token: 't', challenge: 'abc' })).toEqual({
      kind: 'challenge',
      challenge: 'abc',
    });
  });

  it('carries its id and what happened', () => {
    const event = { type: 'channel_archive', channel: 'C1', user: 'U1' };
    expect(
      parse({ type: 'event_callback', team_id: 'T1', event_id: 'Ev1', event_time: 1_772_359_200, event }),
    ).toEqual({
      kind: 'event',
      eventId: 'Ev1',
      eventType: 'channel_archive',
      teamId: 'T1',
      event,
      ourUserId: null,
      at: new Date('2026-03-01T10:00:00Z'),
    });
  });

  it('is the same over the socket', () => {
    const event = { type: 'event_callback', team_id: 'T1', event_id: 'Ev1', event: { type: 'x' } };
    expect(parseEvent({ payload: event })).toEqual(parse(event));
  });

  it('can say that there were too many', () => {
    expect(parse({ type: 'app_rate_limited', team_id: 'T1', minute_rate_limited: 1_772_359_200 })).toEqual({
      kind: 'rate-limited',
      teamId: 'T1',
      since: new Date('2026-03-01T10:00:00Z'),
    });
  });

  it('of an unknown kind is ignored', () => {
    expect(parse({ type: 'something_new' })).toMatchObject({ kind: 'ignored' });
  });

  it.each([
    [{}],
    [[]],
    [null],
    ['x'],
    [{ type: 'url_verification' }],
    [{ type: 'event_callback', event: { type: 'x' } }],
    [{ type: 'event_callback', event_id: 'Ev1' }],
  ])('such as %j is refused', (content) => {
    expect(parse(content)).toMatchObject({ kind: 'refused' });
    expect(parseEvent({ payload: content })).toEqual(parse(content));
  });

  it('that is not JSON is refused', () => {
    expect(parseEvent(Buffer.from('payload=x'))).toMatchObject({
      kind: 'refused',
      reason: 'the body is not JSON',
    });
  });
});

describe('what an event says of a channel', () => {
  it.each([
    [
      { type: 'channel_unarchive', channel: 'C1', user: 'U1' },
      { channelId: 'C1', usable: true },
    ],
    [
      { type: 'group_unarchive', channel: 'G1' },
      { channelId: 'G1', usable: true },
    ],
    [
      { type: 'channel_rename', channel: { id: 'C1', name: 'x', created: 1 } },
      { channelId: 'C1', usable: false },
    ],
    [
      { type: 'member_joined_channel', user: 'U1', channel: 'C1' },
      { channelId: 'C1', usable: false },
    ],
    [
      { type: 'channel_id_changed', old_channel_id: 'G1', new_channel_id: 'C1' },
      { channelId: 'C1', usable: false },
    ],
    [
      { type: 'channel_archive', channel: 'C1', user: 'U1' },
      { channelId: 'C1', usable: false, lost: true },
    ],
    [
      { type: 'group_deleted', channel: 'G1' },
      { channelId: 'G1', usable: false, lost: true },
    ],
    [
      { type: 'member_left_channel', user: 'UBOT', channel: 'C1' },
      { channelId: 'C1', usable: false, lost: true },
    ],
    [{ type: 'member_left_channel', user: 'UANN', channel: 'C1' }, null],
    [{ type: 'message', channel: 'C1' }, null],
    [{ type: 'channel_unarchive' }, null],
    [{}, null],
  ])('%j', (event, news) => {
    expect(channelNewsIn(event, 'UBOT')).toEqual(news);
  });
});
