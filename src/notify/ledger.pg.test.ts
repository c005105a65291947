import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { at } from '../../test/support/alerts.ts';
import { type DomainDatabase, openDomainDatabase } from '../../test/support/domain-database.ts';
import { newId } from '../lib/ids.ts';
import { claimDue, claimUnknown, nextDue } from './claim.ts';
import {
  addNotifications,
  addTexts,
  adoptMessage,
  type Notification,
  notificationsOf,
  type Pace,
  pauseLane,
  pendingNotifications,
  type PlannedNotification,
  type PlannedText,
  recordSend,
  recoverStaleClaims,
  refreshNotifications,
  resumeAll,
  supersedeExpired,
} from './ledger.ts';
import { endNotice, planNotice } from './notice.ts';

let database: DomainDatabase;

beforeAll(async () => {
  database = await openDomainDatabase();
});

afterAll(() => database.close());

beforeEach(async () => {
  await database.reset();
});

/** As by default: a channel takes 20 at once, then one a second; edits 40 at once, then 50 a minute. */
const pace: Pace = { burstPerChannel: 20, postsPerSecondPerChannel: 1, editBurst: 40, editsPerMinute: 50 };

let count = 0;
function planned(parts: Partial<PlannedNotification> = {}): PlannedNotification {
  count += 1;
  const id = newId();
  return {
    id,
    subject: `alert:${count}`,
    alertId: newId(),
    notifier: 'slack',
    channel: '#a',
    episode: 1,
    priority: 3,
    closed: false,
    reason: 'test',
    receivedAt: at(0),
    ...parts,
  };
}

async function add(items: PlannedNotification[], second = 0): Promise<string[]> {
  await database.db.transaction().execute((tx) => addNotifications(tx, items, at(second)));
  return items.map((item) => item.id);
}

const claim = (second: number, limit = 100): Promise<Notification[]> =>
  claimDue(database.db, { notifier: 'slack', pace, limit, othersLimit: limit }, at(second));
const refresh = (id: string, second: number, closed = false): Promise<void> =>
  database.db
    .transaction()
    .execute((tx) => refreshNotifications(tx, [{ id, priority: 3, closed }], at(second)));
const read = (id: string): Promise<Notification> =>
  database.row<Notification>('SELECT * FROM notifications WHERE id = $1', [id]);

type Outcome = Parameters<typeof recordSend>[2];
const outcome = (row: Notification, parts: Partial<Outcome> = {}): Outcome => ({
  state: 'sent',
  lane: 'edit',
  dueAt: at(0),
  attempts: 0,
  reposts: 0,
  channelId: 'C1',
  messageId: `m-${row.id}`,
  sentTo: row.channel,
  cardHash: 'hash',
  lastError: null,
  postedAt: at(1),
  ...parts,
});
const record = (row: Notification, second: number, parts: Partial<Outcome> = {}): Promise<void> =>
  recordSend(database.db, row, outcome(row, parts), at(second));

/** Posts it, so that its next change is an edit. */
async function sent(parts: Partial<PlannedNotification> = {}): Promise<string> {
  const [id = ''] = await add([planned(parts)]);
  for (const row of await claim(0)) await record(row, 0);
  return id;
}

describe('claiming', () => {
  it('takes the gravest first, however long others have waited, then the oldest', async () => {
    const [old = ''] = await add([planned({ priority: 3 })], 0);
    const [newer = ''] = await add([planned({ priority: 3 })], 5);
    const [grave = ''] = await add([planned({ priority: 0 })], 9);
    const [second = ''] = await add([planned({ priority: 1, channel: '#b' })], 9);
    expect((await claim(10, 3)).map((row) => row.id)).toEqual([grave, second, old]);
    expect((await claim(10)).map((row) => row.id)).toEqual([newer]);
  });

  it('marks what it took, and takes nothing twice', async () => {
    const [id = ''] = await add([planned()]);
    const [row] = await claim(3);
    expect(row).toMatchObject({ id, wanted: 1 });
    expect(row).not.toHaveProperty('tokens');
    expect(await read(id)).toMatchObject({ state: 'sending', claimed_at: at(3), attempted_at: at(3) });
    expect(await claim(4)).toEqual([]);
  });

  it('leaves alone what is not due yet', async () => {
    const [id = ''] = await add([planned()], 0);
    await database.rows('UPDATE notifications SET due_at = $1', [at(30)]);
    expect(await claim(29.999)).toEqual([]);
    expect((await claim(30)).map((row) => row.id)).toEqual([id]);
  });

  it('by several processes at once never gives a row to two, nor more than the budget', async () => {
    await add(Array.from({ length: 60 }, (_, n) => planned({ channel: `#${n % 2}` })));
    const taken = (await Promise.all(Array.from({ length: 6 }, () => claim(0, 10))))
      .flat()
      .map((row) => row.id);
    // Whoever met a lane that another one held got nothing from it: the next look finds it.
    taken.push(...(await claim(0)).map((row) => row.id));
    expect(new Set(taken).size).toBe(taken.length);
    expect(taken).toHaveLength(40);
  });
});

describe('the pace of a channel', () => {
  it('is a burst of twenty, then one a second', async () => {
    await add(Array.from({ length: 30 }, () => planned()));
    expect(await claim(0)).toHaveLength(20);
    expect(await claim(0)).toHaveLength(0);
    expect(await claim(0.999)).toHaveLength(0);
    expect(await claim(1)).toHaveLength(1);
    expect(await claim(3.5)).toHaveLength(2);
    expect(await claim(4)).toHaveLength(1);
  });

  it('fills up while nothing is posted, to the burst and no further', async () => {
    await add(Array.from({ length: 20 }, () => planned()));
    await claim(0);
    await add(Array.from({ length: 50 }, () => planned()));
    expect(await claim(3_600)).toHaveLength(20);
  });

  it('holds up no other channel and no edits', async () => {
    const edited = await sent({ channel: '#b' });
    await refresh(edited, 0);
    await add(Array.from({ length: 25 }, () => planned()));
    await add(Array.from({ length: 5 }, () => planned({ channel: '#c' })));
    const lanes = (await claim(0)).map((row) => row.lane);
    expect(lanes.filter((lane) => lane === 'post:#a')).toHaveLength(20);
    expect(lanes.filter((lane) => lane === 'post:#c')).toHaveLength(5);
    expect(lanes.filter((lane) => lane === 'edit')).toHaveLength(1);
  });

  it('lets a P0 before older P3s when there is room for one', async () => {
    await add(Array.from({ length: 30 }, () => planned({ priority: 3 })));
    await claim(0);
    const [grave] = await add([planned({ priority: 0 })], 1);
    expect((await claim(1)).map((row) => row.id)).toEqual([grave]);
  });

  it('does not gain when a clock goes back', async () => {
    await add(Array.from({ length: 30 }, () => planned()));
    await claim(100);
    expect(await claim(50)).toHaveLength(0);
  });
});

describe('the pace of edits', () => {
  it('is a burst of forty for all channels together, then fifty a minute', async () => {
    for (let n = 0; n < 60; n += 1) await sent({ channel: `#${n % 5}` });
    await database.rows(`UPDATE notifications SET state = 'due', due_at = $1`, [at(0)]);
    expect(await claim(0)).toHaveLength(40);
    expect(await claim(1.1)).toHaveLength(0);
    expect(await claim(1.2)).toHaveLength(1);
    expect(await claim(13.2)).toHaveLength(10);
  });
});

describe('a pause the vendor asked for', () => {
  it('holds the lane, and only that', async () => {
    await add([planned(), planned({ channel: '#b' })]);
    await pauseLane(database.db, 'post:#a', at(30));
    expect((await claim(0)).map((row) => row.lane)).toEqual(['post:#b']);
    expect(await claim(29)).toEqual([]);
    expect((await claim(30)).map((row) => row.lane)).toEqual(['post:#a']);
  });

  it('is not shortened by a later, shorter one', async () => {
    await add([planned()]);
    await pauseLane(database.db, 'post:#a', at(30));
    await pauseLane(database.db, 'post:#a', at(10));
    expect(await claim(20)).toEqual([]);
  });
});

describe('what is asked for while a message is under way', () => {
  it('makes it due again, once it is sent', async () => {
    const [id = ''] = await add([planned()]);
    const [row] = await claim(0);
    await refresh(id, 1, true);
    expect((await read(id)).state).toBe('sending');
    if (row !== undefined) await record(row, 2);
    expect(await read(id)).toMatchObject({
      state: 'due',
      lane: 'edit',
      message_id: `m-${id}`,
      closed: true,
      wanted: 2,
    });
    const [again] = await claim(2);
    expect(again?.id).toBe(id);
    if (again !== undefined) await record(again, 3);
    expect((await read(id)).state).toBe('sent');
  });

  it('makes it due again also when the vendor refused what was under way', async () => {
    const id = await sent();
    await refresh(id, 1);
    const [row] = await claim(1);
    await refresh(id, 2, true);
    if (row !== undefined) await record(row, 3, { state: 'failed', lastError: 'payload' });
    expect(await read(id)).toMatchObject({ state: 'due', closed: true });
  });

  it('asks three times and is sent once', async () => {
    const id = await sent();
    for (const second of [1, 2, 3]) await refresh(id, second);
    expect(await claim(4)).toHaveLength(1);
    expect(await claim(4)).toHaveLength(0);
  });

  it('wakes also what had failed', async () => {
    const [id = ''] = await add([planned()]);
    const [row] = await claim(0);
    if (row !== undefined) await record(row, 0, { state: 'failed', lane: 'post:#a', messageId: null });
    expect(await claim(1)).toEqual([]);
    await refresh(id, 2);
    expect((await claim(2)).map((due) => due.id)).toEqual([id]);
  });

  it('planned twice at once is one message, brought up to date', async () => {
    const first = planned({ subject: 'alert:same' });
    const [id = ''] = await add([first]);
    const [row] = await claim(0);
    if (row !== undefined) await record(row, 0);
    await add([{ ...first, id: newId() }]);
    expect(await notificationsOf(database.db, ['alert:same'])).toMatchObject([
      { id, state: 'due', wanted: 2 },
    ]);
  });
});

describe('an unknown outcome', () => {
  async function lost(): Promise<string> {
    const [id = ''] = await add([planned()]);
    const [row] = await claim(0);
    if (row !== undefined)
      await record(row, 0, {
        state: 'unknown',
        lane: 'post:#a',
        dueAt: at(3),
        messageId: null,
        channelId: null,
        postedAt: null,
      });
    return id;
  }

  it('is looked into when it is time, by one process', async () => {
    const id = await lost();
    expect(await claimUnknown(database.db, 'slack', 10, at(2))).toEqual([]);
    const looked = await Promise.all([1, 2, 3].map(() => claimUnknown(database.db, 'slack', 10, at(3))));
    expect(looked.flat().map((row) => row.id)).toEqual([id]);
    expect(await claim(4, 10)).toEqual([]);
  });

  it('is looked into again when whoever did so died', async () => {
    const id = await lost();
    await claimUnknown(database.db, 'slack', 10, at(3));
    expect(await claimUnknown(database.db, 'slack', 10, at(62))).toEqual([]);
    expect((await claimUnknown(database.db, 'slack', 10, at(63))).map((row) => row.id)).toEqual([id]);
  });

  it('is not forgotten when the alert changes meanwhile', async () => {
    const id = await lost();
    await refresh(id, 2, true);
    expect(await read(id)).toMatchObject({ state: 'unknown', closed: true, wanted: 2 });
  });
});

describe('claims of a process that died', () => {
  it('are gone: what it says afterwards is not written over what its successor did', async () => {
    const [id = ''] = await add([planned()]);
    const [late] = await claim(0);
    await recoverStaleClaims(database.db, at(1), at(50));
    const [successor] = await claimUnknown(database.db, 'slack', 10, at(50));
    if (late === undefined || successor === undefined) throw new Error('not claimed');
    await record(late, 51, { messageId: 'late' });
    expect(await read(id)).toMatchObject({ state: 'unknown', message_id: null });
    await record(successor, 52, { messageId: 'found' });
    expect(await read(id)).toMatchObject({ state: 'sent', message_id: 'found' });
  });

  it('are edited again, or looked for where it was a post', async () => {
    const edit = await sent();
    await refresh(edit, 0);
    const [post = ''] = await add([planned()]);
    await claim(1);
    await recoverStaleClaims(database.db, at(1), at(46));
    expect([(await read(edit)).state, (await read(post)).state]).toEqual(['sending', 'sending']);
    await recoverStaleClaims(database.db, at(1.001), at(46));
    expect(await read(edit)).toMatchObject({ state: 'due', due_at: at(46) });
    expect(await read(post)).toMatchObject({ state: 'unknown', due_at: at(46) });
  });

  it('do not write over what came of it since', async () => {
    const [id = ''] = await add([planned()]);
    const [row] = await claim(0);
    if (row === undefined) throw new Error('nothing claimed');
    await record(row, 1, { messageId: 'first' });
    await record(row, 2, { messageId: 'late' });
    expect((await read(id)).message_id).toBe('first');
  });
});

describe('when to look next', () => {
  const nextAt = async (): Promise<Date | null> =>
    (await nextDue(database.db, { notifier: 'slack', pace, urgentOnly: false }, at(0))).at;

  it('is never, when nothing waits', async () => {
    expect(await nextAt()).toBeNull();
    await sent();
    expect(await nextAt()).toBeNull();
  });

  it('is when something is due, its lane has room, and no pause holds it', async () => {
    await add([planned()]);
    await database.rows('UPDATE notifications SET due_at = $1', [at(30)]);
    expect(await nextAt()).toEqual(at(30));
    await pauseLane(database.db, 'post:#a', at(40));
    expect(await nextAt()).toEqual(at(40));
  });

  it('is when the budget of the lane holds one more', async () => {
    await add(Array.from({ length: 21 }, () => planned()));
    await claim(10);
    expect(await nextAt()).toEqual(at(11));
  });

  it('is when an unknown outcome may be looked into', async () => {
    await add([planned()]);
    await database.rows(`UPDATE notifications SET state = 'unknown', due_at = $1`, [at(7)]);
    expect(await nextAt()).toEqual(at(7));
  });
});

describe('lanes of one channel', () => {
  const line = (parts: Partial<PlannedText> = {}): PlannedText => ({
    ...planned(),
    purpose: `line:${newId()}`,
    lane: 'line:#a',
    content: { text: 'Acknowledged' },
    parentId: newId(),
    expiresAt: null,
    ...parts,
  });
  const addLines = (items: PlannedText[], second = 0): Promise<number> =>
    database.db.transaction().execute((tx) => addTexts(tx, items, at(second)));

  it('share its budget, and lines leave half of a burst to all else', async () => {
    await addLines(Array.from({ length: 30 }, () => line({ priority: 0 })));
    expect(await claim(0)).toHaveLength(10);
    await add(Array.from({ length: 30 }, () => planned()));
    expect((await claim(0)).map((row) => row.purpose)).toEqual(Array(10).fill('card'));
    expect((await claim(1)).map((row) => row.purpose)).toEqual(['card']);
  });

  it('let lines go after all else, however grave the alert', async () => {
    await addLines([line({ priority: 0 })], 0);
    await add([planned({ priority: 4 })], 5);
    expect((await claim(10)).map((row) => row.purpose)).toEqual(['card', expect.stringMatching(/^line:/)]);
  });

  it('take a line once for its key, whatever it says the second time', async () => {
    const first = line();
    expect(await addLines([first])).toBe(1);
    expect(await addLines([{ ...first, id: newId(), content: { text: 'other' } }], 5)).toBe(0);
    expect(await read(first.id)).toMatchObject({ content: { text: 'Acknowledged' }, wanted: 1 });
  });

  it('drop what is too late to be news', async () => {
    const late = line({ expiresAt: at(600) });
    await addLines([late, line({ expiresAt: at(601) }), line()]);
    await supersedeExpired(database.db, at(600));
    expect(await read(late.id)).toMatchObject({ state: 'superseded' });
    expect((await pendingNotifications(database.db)).count).toBe(2);
  });
});

describe('hands kept for the gravest', () => {
  const take = (second: number, limit: number, othersLimit: number): Promise<Notification[]> =>
    claimDue(database.db, { notifier: 'slack', pace, limit, othersLimit }, at(second));

  it('take P0 and P1 of any lane while there is none left for the others', async () => {
    await add(Array.from({ length: 5 }, () => planned()));
    await add([planned({ priority: 1, channel: '#b' }), planned({ priority: 0, channel: '#c' })], 5);
    expect((await take(10, 3, 0)).map((row) => row.priority)).toEqual([0, 1]);
    expect((await take(10, 3, 2)).map((row) => row.priority)).toEqual([3, 3]);
  });

  it('are never more than there are', async () => {
    await add(Array.from({ length: 5 }, () => planned({ priority: 0 })));
    await add(Array.from({ length: 5 }, () => planned({ channel: '#b' })));
    expect((await take(0, 4, 3)).map((row) => row.priority)).toEqual([0, 0, 0, 0]);
  });

  it("leave another notifier's messages to it", async () => {
    await add([planned({ notifier: 'webhook', channel: 'webhook' })]);
    expect(await take(0, 10, 10)).toEqual([]);
  });
});

describe('when a vendor is back', () => {
  it('goes on at once with what waited for its next try, but not with a lane that the vendor paused', async () => {
    const [id = '', other = ''] = await add([planned(), planned({ notifier: 'webhook' })]);
    await database.rows('UPDATE notifications SET due_at = $1', [at(60)]);
    await add([planned({ channel: '#paused' })]);
    await pauseLane(database.db, 'line:#paused', at(50));
    expect(await resumeAll(database.db, 'slack', at(5))).toBe(1);
    expect((await claim(5)).map((row) => row.id)).toEqual([id]);
    expect(await read(other)).toMatchObject({ due_at: at(60) });
  });
});

describe('a message somebody has before them', () => {
  const adopt = (notificationId: string): Promise<boolean> =>
    adoptMessage(database.db, { notificationId, channelId: 'C9', messageId: '9.9' }, at(50));

  it.each(['unknown', 'due', 'failed'])('is known from now on, though its row was %s', async (state) => {
    const [id = ''] = await add([planned()]);
    await database.rows('UPDATE notifications SET state = $1, due_at = $2', [state, at(90)]);
    expect(await adopt(id)).toBe(true);
    expect(await read(id)).toMatchObject({
      state: 'due',
      lane: 'edit',
      channel_id: 'C9',
      message_id: '9.9',
      sent_to: '#a',
      posted_at: at(50),
      due_at: at(50),
    });
    expect(await adopt(id)).toBe(false);
  });

  it('changes nothing where the row knows its message, or is being sent', async () => {
    const id = await sent();
    expect(await adopt(id)).toBe(false);
    const [sending = ''] = await add([planned()]);
    await claim(5);
    expect(await adopt(sending)).toBe(false);
    expect(await adopt(newId())).toBe(false);
  });
});

describe('a notice', () => {
  const notice = (text: string) => ({
    notifier: 'slack',
    channel: '#a',
    subject: 'breaker:opsgenie',
    outage: 1,
    text,
  });
  const plan = (outage = 1): Promise<void> =>
    database.db
      .transaction()
      .execute((tx) => planNotice(tx, { ...notice('Opsgenie does not answer.'), outage }, at(0)));
  const end = (): Promise<void> =>
    database.db.transaction().execute((tx) => endNotice(tx, notice('It answers again.'), at(9)));

  it('is planned once for an outage, and goes before what is less grave', async () => {
    await add([planned({ priority: 2 })]);
    await plan();
    await plan();
    await plan(2);
    const rows = await claim(1);
    expect(rows.map((row) => row.purpose)).toEqual(['notice', 'notice', 'card']);
    expect(rows[0]).toMatchObject({ alert_id: null, content: { text: 'Opsgenie does not answer.' } });
  });

  it('is edited when its outage is over', async () => {
    await plan();
    for (const row of await claim(1)) await record(row, 2);
    await end();
    const [row] = await claim(10);
    expect(row).toMatchObject({ lane: 'edit', content: { text: 'It answers again.' }, closed: true });
  });

  it('is not sent any more when its outage is over before anybody saw it', async () => {
    await plan();
    await end();
    expect(await claim(10)).toEqual([]);
    expect(await pendingNotifications(database.db)).toMatchObject({ count: 0 });
  });
});

describe('what is pending', () => {
  it('counts all that is not in its wanted state', async () => {
    expect(await pendingNotifications(database.db)).toEqual({ count: 0, oldest: null });
    await sent();
    expect((await pendingNotifications(database.db)).count).toBe(0);
    await add([planned()], 5);
    expect(await pendingNotifications(database.db)).toEqual({ count: 1, oldest: at(5) });
  });
});
