import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { at, describedSignal, resolvedSignal } from '../../test/support/alerts.ts';
import { type DomainDatabase, openDomainDatabase } from '../../test/support/domain-database.ts';
import { actionsOf, findAlerts, type StoredAlert } from '../alerts/alert-queries.ts';
import { act } from '../alerts/actions.ts';
import type { DescribedSignal } from '../alerts/describe.ts';
import { storeInbound } from '../db/inbound-store.ts';
import { newId } from '../lib/ids.ts';
import type { ChatDesk, ChatInteraction, DeskAnswer } from './chat-desk.ts';
import { handleInteraction } from './interaction.ts';

/** Writes down what it was asked for. */
class FakeDesk implements ChatDesk {
  readonly told: { channelId: string; userId: string; text: string }[] = [];
  readonly responded: { url: string; text: string }[] = [];
  readonly modals: Parameters<ChatDesk['openNoteModal']>[0][] = [];
  readonly profiles: string[] = [];
  emails: Record<string, string | null> = { U1: 'Ann@example.org', U2: 'bob@example.org', U3: null };
  ephemeralAnswer: DeskAnswer = { ok: true };
  modalAnswer: DeskAnswer = { ok: true };

  postEphemeral(message: { channelId: string; userId: string; text: string }): Promise<DeskAnswer> {
    this.told.push(message);
    return Promise.resolve(this.ephemeralAnswer);
  }

  respond(url: string, text: string): Promise<DeskAnswer> {
    this.responded.push({ url, text });
    return Promise.resolve({ ok: true });
  }

  openNoteModal(request: Parameters<ChatDesk['openNoteModal']>[0]): Promise<DeskAnswer> {
    this.modals.push(request);
    return Promise.resolve(this.modalAnswer);
  }

  userById(id: string): ReturnType<ChatDesk['userById']> {
    this.profiles.push(id);
    const email = this.emails[id];
    if (email === undefined) return Promise.resolve({ ok: false, code: 'user_not_found', detail: '' });
    return Promise.resolve({ ok: true, user: { id, name: `Name of ${id}`, email } });
  }
}

let database: DomainDatabase;
let desk: FakeDesk;
let nowS: number;
let observed: string[];
let unlinkedUsers: 'act' | 'read';

beforeAll(async () => {
  database = await openDomainDatabase();
});

afterAll(() => database.close());

beforeEach(async () => {
  await database.reset();
  desk = new FakeDesk();
  nowS = 100;
  observed = [];
  unlinkedUsers = 'act';
});

type Button = Extract<ChatInteraction, { kind: 'button' }>;
type Note = Extract<ChatInteraction, { kind: 'note-submitted' }>;
const place = { userId: 'U1', userName: 'ann', channelId: 'C1', messageTs: '17.1' };
const button = (alertId: string, actionId: string, parts: Partial<Button> = {}): Button => ({
  kind: 'button',
  actionId,
  alertId,
  ...place,
  notificationId: null,
  triggerId: 't1',
  responseUrl: 'https://hooks.example.org/r1',
  ...parts,
});

/** Stored as the door does it, but for the job. */
async function arrived(interaction: ChatInteraction): Promise<string> {
  const event = { kind: 'slack.interaction', dedupKey: newId(), payload: interaction, receivedAt: at(nowS) };
  return (await storeInbound(database.db, event, () => null)).id;
}

async function run(eventId: string): Promise<string | null> {
  const incidentPolicy = { autoCreate: [], assignment: [], provider: null, alertUrl: (id: string) => id };
  const observe = (action: string, userId: string): void => void observed.push(`${action} ${userId}`);
  const deps = {
    db: database.db,
    desk,
    clock: { now: () => at(nowS) },
    incidentPolicy,
    unlinkedUsers,
    observe,
  };
  await handleInteraction(deps, eventId, new AbortController().signal);
  return (
    await database.row<{ outcome: string | null }>('SELECT outcome FROM inbound_events WHERE id = $1', [
      eventId,
    ])
  ).outcome;
}

const press = async (interaction: ChatInteraction): Promise<string | null> => run(await arrived(interaction));

async function newAlert(parts: Partial<DescribedSignal> = {}): Promise<string> {
  const [id = ''] = await database.store([describedSignal(parts)], at(10));
  await database.takeJobs();
  return id;
}

async function read(id: string): Promise<StoredAlert> {
  const [alert] = await findAlerts(database.db, [id]);
  if (alert === undefined) throw new Error('not there');
  return alert;
}

const done = async (alertId: string) =>
  (await actionsOf(database.db, { alertId })).filter((entry) => entry.action !== 'create');

describe('a button', () => {
  it.each<[string, Partial<StoredAlert>, string]>([
    ['alert_acknowledge', { status: 'acknowledged', acknowledgedBy: 'ann@example.org' }, 'acknowledge'],
    ['alert_escalate', { status: 'escalated', severity: 'P1' }, 'escalate'],
    ['alert_resolve', { status: 'resolved', resolvedBy: 'ann@example.org' }, 'resolve'],
  ])('%s does it in the name of the person, without a word', async (actionId, after, action) => {
    const id = await newAlert();
    expect(await press(button(id, actionId))).toBe(`${action} done`);
    expect(await read(id)).toMatchObject(after);
    expect(await done(id)).toMatchObject([
      {
        action,
        userId: 'ann@example.org',
        door: 'slack',
        at: at(100),
        details: { name: 'Name of U1', slackUserId: 'U1', channelId: 'C1', messageTs: '17.1' },
      },
    ]);
    expect(await database.takeJobs()).toMatchObject([{ task: 'alert.changed', payload: { alertIds: [id] } }]);
    expect(desk.told).toEqual([]);
    expect(observed).toEqual([`${action} ann@example.org`]);
  });

  it.each(['alert_acknowledge', 'alert_resolve'])(
    '%s a second time says quietly who was first, and when',
    async (actionId) => {
      const id = await newAlert();
      await press(button(id, actionId));
      await database.takeJobs();
      nowS = 200;
      await press(button(id, actionId, { userId: 'U2' }));
      expect(desk.told).toEqual([
        {
          channelId: 'C1',
          userId: 'U2',
          text: expect.stringMatching(/already .*by Name of U1 at 2026-11-20 08:01 UTC/),
        },
      ]);
      expect(await done(id)).toHaveLength(1);
      expect(await database.takeJobs()).toEqual([]);
      expect(observed).toHaveLength(1);
    },
  );

  it('alert_escalate pressed twice goes up one level; pressed again later, one more', async () => {
    const id = await newAlert({ severity: 'P3' });
    const first = await arrived(button(id, 'alert_escalate'));
    nowS = 100.3;
    const second = await arrived(button(id, 'alert_escalate'));
    // Both jobs are at it before either of them has done anything.
    const holder = await database.pool.connect();
    await holder.query('BEGIN');
    await holder.query('SELECT FROM alerts_active FOR UPDATE');
    const both = [run(first), run(second)];
    await vi.waitFor(
      async () => {
        const waiting = await database.row<{ count: number }>(
          `SELECT count(*)::int AS count FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        );
        expect(waiting.count).toBe(2);
      },
      { interval: 5, timeout: 5_000 },
    );
    await holder.query('COMMIT');
    holder.release();
    await Promise.all(both);
    expect((await read(id)).severity).toBe('P2');
    expect(desk.told).toMatchObject([{ text: expect.stringMatching(/already escalated: by Name of U1 at/) }]);
    nowS = 110;
    await press(button(id, 'alert_escalate', { userId: 'U2' }));
    expect((await read(id)).severity).toBe('P1');
    expect(await done(id)).toHaveLength(2);
  });

  it('alert_escalate at the top says so', async () => {
    const id = await newAlert({ severity: 'P0' });
    await press(button(id, 'alert_escalate'));
    nowS = 500;
    await press(button(id, 'alert_escalate', { userId: 'U2' }));
    expect(desk.told).toMatchObject([{ userId: 'U2', text: expect.stringContaining('already escalated') }]);
    expect(await done(id)).toHaveLength(1);
  });

  it('on an alert that is over says why nothing was changed', async () => {
    const id = await newAlert();
    await database.store([resolvedSignal()], at(50));
    await press(button(id, 'alert_acknowledge'));
    expect(desk.told).toMatchObject([
      { text: expect.stringMatching(/^Nothing was changed: the alert is resolved/) },
    ]);
    expect((await read(id)).status).toBe('resolved');
  });

  it("on a resolve that came from the source names the source's audit row, not a person", async () => {
    const id = await newAlert();
    await database.store([resolvedSignal()], at(50));
    await press(button(id, 'alert_resolve'));
    expect(desk.told).toMatchObject([
      { text: 'This alert is already resolved: by source:grafana at 2026-11-20 08:00 UTC.' },
    ]);
  });

  it('alert_create_incident opens one; the second time there is one', async () => {
    const id = await newAlert({ severity: 'P4' });
    expect(await press(button(id, 'alert_create_incident'))).toMatch(/^incident .* opened$/);
    await press(button(id, 'alert_create_incident', { userId: 'U2' }));
    expect(await database.row('SELECT count(*)::int AS count, min(opened_by) AS by FROM incidents')).toEqual({
      count: 1,
      by: 'ann@example.org',
    });
    expect(desk.told).toMatchObject([
      { userId: 'U2', text: 'There is an open incident for this alert already.' },
    ]);
  });

  it('alert_create_incident on an alert that is over opens none', async () => {
    const id = await newAlert();
    await database.store([resolvedSignal()], at(50));
    await press(button(id, 'alert_create_incident'));
    expect(desk.told).toMatchObject([{ text: expect.stringMatching(/^No incident was opened: /) }]);
  });

  it('alert_add_note opens the dialog before anything else is asked', async () => {
    const id = await newAlert();
    expect(await press(button(id, 'alert_add_note'))).toBe('dialog opened');
    expect(desk.modals).toEqual([
      { triggerId: 't1', alertId: id, title: 'Basket is slow', channelId: 'C1', messageTs: '17.1' },
    ]);
    expect(desk.profiles).toEqual([]);
    desk.modalAnswer = { ok: false, code: 'expired_trigger_id', detail: '' };
    await press(button(id, 'alert_add_note'));
    expect(desk.told).toMatchObject([{ text: expect.stringContaining('expired_trigger_id') }]);
  });

  it('alert_trace is a link: nothing happens here', async () => {
    const id = await newAlert();
    expect(await press(button(id, 'alert_trace'))).toBe('a link was opened');
    expect([desk.told, desk.profiles, await done(id)]).toEqual([[], [], []]);
  });

  it('of an alert nobody knows, or nobody ever knew, says so', async () => {
    for (const alertId of [newId(), 'no uuid', '']) await press(button(alertId, 'alert_acknowledge'));
    expect(desk.told.map((message) => message.text)).toEqual(
      Array(3).fill('This alert is not known here any more.'),
    );
  });

  it('of an archived alert says so, dialog or not', async () => {
    const id = await newAlert();
    await act(database.db, id, { kind: 'resolve-and-archive' }, { userId: 'x', door: 'api' }, at(50));
    await press(button(id, 'alert_acknowledge'));
    await press(button(id, 'alert_add_note'));
    expect(desk.modals).toEqual([]);
    expect(desk.told.map((message) => message.text)).toEqual([
      'This alert is archived already.',
      'This alert is archived; archived alerts take no notes.',
    ]);
  });

  it('that is not known is answered', async () => {
    const id = await newAlert();
    await press(button(id, 'alert_dance'));
    await press(button(id, 'constructor'));
    expect(desk.told).toMatchObject([
      { text: 'This button is not known here.' },
      { text: 'This button is not known here.' },
    ]);
    expect(await done(id)).toEqual([]);
  });

  it('whose answer cannot be posted is answered through its own address', async () => {
    const id = await newAlert();
    desk.ephemeralAnswer = { ok: false, code: 'channel_not_found', detail: '' };
    await press(button(id, 'alert_acknowledge'));
    await press(button(id, 'alert_acknowledge'));
    expect(desk.responded).toMatchObject([
      { url: 'https://hooks.example.org/r1', text: expect.stringContaining('already') },
    ]);
  });
});

describe('a note', () => {
  const note = (alertId: string, text: string): Note => ({ kind: 'note-submitted', alertId, text, ...place });

  it('is kept in the name of the person', async () => {
    const id = await newAlert();
    expect(await press(note(id, 'disk\0 is full <!channel>'))).toBe('note done');
    expect(await done(id)).toMatchObject([
      { action: 'note', userId: 'ann@example.org', details: { text: 'disk\0 is full <!channel>' } },
    ]);
    expect(await read(id)).toMatchObject({ status: 'firing', updatedAt: at(100) });
  });
});

describe('the job', () => {
  it('run twice does nothing twice', async () => {
    const id = await newAlert();
    const events = [
      await arrived(button(id, 'alert_escalate')),
      await arrived({ kind: 'note-submitted', alertId: id, text: 'once', ...place }),
      await arrived(button(id, 'alert_add_note')),
    ];
    for (let round = 0; round < 2; round += 1) for (const event of events) await run(event);
    expect((await done(id)).map((entry) => entry.action)).toEqual(['escalate', 'note']);
    expect(desk.modals).toHaveLength(1);
    expect(desk.told).toEqual([]);
  });

  it('that was killed after it acted, and runs again, escalates no further', async () => {
    const id = await newAlert({ severity: 'P3' });
    const event = await arrived(button(id, 'alert_escalate'));
    await run(event);
    await database.rows('UPDATE inbound_events SET processed_at = NULL, outcome = NULL');
    nowS = 200;
    await run(event);
    expect((await read(id)).severity).toBe('P2');
  });

  it('of an event that is not there is over', async () => {
    const deps = {
      db: database.db,
      desk,
      clock: { now: () => at(1) },
      incidentPolicy: { autoCreate: [], assignment: [], provider: null, alertUrl: (id: string) => id },
      unlinkedUsers,
      observe: () => undefined,
    };
    await handleInteraction(deps, newId(), new AbortController().signal);
    expect(desk.told).toEqual([]);
  });
});

describe('people', () => {
  it('without an e-mail may act, under their chat id', async () => {
    const id = await newAlert();
    await press(button(id, 'alert_acknowledge', { userId: 'U3' }));
    expect((await read(id)).acknowledgedBy).toBe('U3');
  });

  it('without an e-mail may only look where that is set', async () => {
    unlinkedUsers = 'read';
    const id = await newAlert();
    await press(button(id, 'alert_acknowledge', { userId: 'U3' }));
    await press(button(id, 'alert_create_incident', { userId: 'U3' }));
    await press({ kind: 'note-submitted', alertId: id, text: 'x', ...place, userId: 'U3' });
    expect(await done(id)).toEqual([]);
    expect((await read(id)).incidentId).toBeNull();
    expect(desk.told).toHaveLength(3);
    expect(desk.told[0]?.text).toContain('look, but not act');
    await press(button(id, 'alert_acknowledge', { userId: 'U1' }));
    expect((await read(id)).status).toBe('acknowledged');
  });

  it('who cannot be looked up just then are asked to click again, and are told no other reason', async () => {
    unlinkedUsers = 'read';
    const id = await newAlert();
    desk.emails = {};
    await press(button(id, 'alert_acknowledge'));
    await press({ kind: 'note-submitted', alertId: id, text: 'cable pulled', ...place });
    expect(await done(id)).toEqual([]);
    expect(desk.told.map((one) => one.text)).toEqual([
      'Nothing was done: your Slack account could not be looked up just now (user_not_found). Please click once more.',
      'Nothing was done: your Slack account could not be looked up just now (user_not_found). Please send your note once more: cable pulled',
    ]);
    desk.emails = { U1: 'Ann@example.org' };
    await press(button(id, 'alert_acknowledge'));
    expect((await read(id)).acknowledgedBy).toBe('ann@example.org');
  });

  it('are asked for once a day', async () => {
    const id = await newAlert();
    for (const actionId of ['alert_acknowledge', 'alert_resolve']) await press(button(id, actionId));
    expect(desk.profiles).toEqual(['U1']);
    nowS += 86_400;
    await press(button(id, 'alert_resolve'));
    expect(desk.profiles).toEqual(['U1', 'U1']);
  });

  it('whose profile cannot be read act under what is known of them', async () => {
    const id = await newAlert();
    await press(button(id, 'alert_acknowledge', { userId: 'U9', userName: 'nina' }));
    expect(await done(id)).toMatchObject([{ userId: 'U9', details: { name: 'nina' } }]);
    const other = await newAlert({ fingerprint: 'other' });
    await press(button(other, 'alert_acknowledge'));
    nowS += 2 * 86_400;
    desk.emails = {};
    await press(button(other, 'alert_resolve'));
    expect((await read(other)).resolvedBy).toBe('ann@example.org');
  });
});
