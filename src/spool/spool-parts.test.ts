import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { at, describedSignal, intakeRequest, knownAlert, resolvedSignal } from '../../test/support/alerts.ts';
import { SpoolFolder } from './spool-folder.ts';
import { fromFileText, type SpooledRequest, toFileText } from './spooled-request.ts';
import { messagesTold } from './told.ts';
import { UrgentView } from './urgent-view.ts';

const spooled = (body = 'raw \0 bytes'): SpooledRequest => ({
  request: {
    ...intakeRequest(
      [describedSignal({ title: 'NUL \0 and ꙮ', expiresAt: at(60), endsAt: null })],
      at(1.234),
      {
        raw: { contentType: null, headers: { a: 'b' }, body: Buffer.from(body) },
      },
    ),
    deliveryId: '01993f00-0000-7000-8000-00000000000d',
  },
  idempotency: { owner: 'o', key: 'k', requestHash: Buffer.from([0, 255]) },
});

describe('a file of the spool', () => {
  it('gives back what was put in', () => {
    expect(fromFileText(toFileText(spooled()))).toEqual(spooled());
    const none = { ...spooled(), idempotency: null };
    expect(fromFileText(toFileText(none))).toEqual(none);
  });

  it('is refused when any part of it is missing or another one', () => {
    const text = toFileText(spooled());
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.constantFrom('', 'x', '\n', '\0'), (place, other) => {
        fc.pre(text[place] !== other);
        expect(fromFileText(text.slice(0, place) + other + text.slice(place + 1))).toBeNull();
        expect(fromFileText(text.slice(0, place))).toBeNull();
      }),
    );
  });
});

describe('what was told', () => {
  const posting = { fact: 'posting', notificationId: 'n', index: 2, channel: '#c', at: at(0).toISOString() };
  const posted = { fact: 'posted', notificationId: 'n', channelId: 'C', messageId: '1.2' };
  const refused = { fact: 'refused', notificationId: 'n' };
  const message = { notificationId: 'n', index: 2, channel: '#c', at: at(0) };
  it.each([
    ['nothing', [], []],
    ['begun', [posting], [{ ...message, outcome: { state: 'unknown' } }]],
    [
      'there',
      [posting, posted],
      [{ ...message, outcome: { state: 'posted', channelId: 'C', messageId: '1.2' } }],
    ],
    ['refused', [posting, refused], []],
    [
      'refused, then begun anew',
      [posting, refused, posting],
      [{ ...message, outcome: { state: 'unknown' } }],
    ],
  ])('%s', (_, facts, messages) => {
    expect(messagesTold(facts)).toEqual(messages);
  });
});

describe('what is known without the database', () => {
  const p1 = (parts = {}) => describedSignal({ severity: 'P1', ...parts });
  const told = (view: UrgentView, signals: Parameters<typeof intakeRequest>[0], second: number): number[] =>
    view.apply(intakeRequest(signals, at(second)), at(second).getTime()).map((news) => news.index);

  it('tells a new P0 or P1 once, again when it fires anew, and nothing else', () => {
    const view = new UrgentView();
    expect(told(view, [describedSignal({ fingerprint: 'p2' }), p1()], 10)).toEqual([1]);
    expect(told(view, [p1()], 20)).toEqual([]);
    expect(told(view, [resolvedSignal({ severity: 'P1', endsAt: at(30) })], 30)).toEqual([]);
    // It overtook its resolve.
    expect(told(view, [p1()], 40)).toEqual([]);
    expect(told(view, [p1({ startsAt: at(50) })], 60)).toEqual([0]);
    expect(
      told(
        view,
        [p1({ fingerprint: 'muted', mute: 'heartbeat' }), p1({ fingerprint: 'fold', foldKey: 'f' })],
        70,
      ),
    ).toEqual([]);
  });

  it('is urgent also when only the end of one is reported', () => {
    const view = new UrgentView();
    const end = intakeRequest([resolvedSignal({ severity: 'P3' })], at(20));
    expect(view.isUrgent(end)).toBe(false);
    told(view, [p1()], 10);
    expect(view.isUrgent(end)).toBe(true);
    expect(view.isUrgent(intakeRequest([describedSignal({ fingerprint: 'p2' })], at(20)))).toBe(false);
    expect(view.isUrgent({ ...end, entries: [{ ok: false, reason: 'unreadable' }] })).toBe(false);
  });

  it('believes the database, but not against what was heard since', () => {
    const view = new UrgentView();
    told(view, [p1({ fingerprint: 'early' })], 10);
    told(view, [p1({ fingerprint: 'late' })], 30);
    view.load([knownAlert({ fingerprint: 'stored', severity: 'P1' })], at(20).getTime());
    expect(view.size).toBe(2);
    expect(
      told(
        view,
        [p1({ fingerprint: 'stored' }), p1({ fingerprint: 'late' }), p1({ fingerprint: 'early' })],
        40,
      ),
    ).toEqual([2]);
  });
});

describe('the folder', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'gomon-folder-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));
  const open = (limits = {}): SpoolFolder =>
    new SpoolFolder(dir, { maxBytes: 1_000, maxRequests: 3, ...limits });

  it('keeps requests in order, with what was noted of them, until they are removed', async () => {
    const folder = open();
    await folder.look();
    for (const id of ['b', 'a']) expect(await folder.write(id, `text of ${id}`)).toBe(true);
    await folder.note('a', { n: 1 });
    await folder.note('a', { n: 2 });
    const other = open();
    expect(await other.look()).toEqual(['a', 'b']);
    expect(await other.read('a')).toEqual({ is: 'there', text: 'text of a' });
    // A crash in the middle of a note.
    await writeFile(path.join(dir, 'a.posts'), `${await readFile(path.join(dir, 'a.posts'), 'utf8')}{"n":`);
    expect(await other.notes('a')).toEqual([{ n: 1 }, { n: 2 }]);
    await other.remove('a');
    expect(await folder.look()).toEqual(['b']);
    expect(await folder.read('a')).toEqual({ is: 'gone' });
    expect(await readdir(dir)).toEqual(['b.json']);
  });

  it('takes no more than it may, also when many come at once', async () => {
    const folder = open();
    const taken = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((id) => folder.write(id, 'x')));
    expect(taken.filter(Boolean)).toHaveLength(3);
    expect(await open({ maxBytes: 10 }).write('z', 'x'.repeat(11))).toBe(false);
  });

  it('sets aside, and forgets what was never finished', async () => {
    const folder = open();
    await folder.write('a', 'x');
    expect(await folder.setAside('a')).toBe(path.join(dir, 'a.json.bad'));
    await writeFile(path.join(dir, 'half.draft'), 'x');
    expect(await folder.look()).toEqual([]);
    expect((await readdir(dir)).toSorted()).toEqual(['a.json.bad', 'half.draft']);
    expect(folder.count).toBe(0);
    expect(await folder.setAside('a')).toBeNull();
  });

  it('tells what cannot be read from what is gone, and a folder that cannot be used', async () => {
    const folder = open();
    await mkdir(path.join(dir, 'a.json'));
    expect(await folder.look()).toEqual(['a']);
    expect(await folder.read('a')).toMatchObject({
      is: 'unreadable',
      reason: expect.stringContaining('EISDIR'),
    });
    expect(await folder.setAside('a')).toBe(path.join(dir, 'a.json.bad'));
    await folder.prove();
    expect(await readdir(dir)).toEqual(['a.json.bad']);
    await writeFile(path.join(dir, 'file'), '');
    const none = new SpoolFolder(path.join(dir, 'file'), { maxBytes: 1, maxRequests: 1 });
    await expect(none.prove()).rejects.toMatchObject({ code: 'EEXIST' });
  });
});
