import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { at, describedSignal, resolvedSignal } from '../../test/support/alerts.ts';
import { type DomainDatabase, openDomainDatabase } from '../../test/support/domain-database.ts';
import { type AlertAction, act } from '../alerts/actions.ts';
import type { Clock } from '../lib/clock.ts';
import type { DispatchEvent } from '../observability/events.ts';
import { Dispatcher } from './deliver.ts';
import type { Notification } from './ledger.ts';
import type { AlertCard } from './message.ts';
import type { FindsPosted, Notifier, NotifyFailure, NotifyFailureReason, NotifyResult } from './notifier.ts';
import { planNotifications } from './plan.ts';

type Call = {
  kind: 'post' | 'edit';
  channel: string;
  messageId: string | null;
  card: AlertCard;
  notificationId: string;
};
type Scripted = NotifyFailure | 'hang' | 'lost';

/** A vendor that keeps messages in memory, and fails as it is told to. */
class FakeNotifier implements Notifier, FindsPosted {
  readonly name = 'fake';
  readonly calls: Call[] = [];
  readonly messages = new Map<string, { channel: string; card: AlertCard; notificationId: string }>();
  readonly looks: string[] = [];
  /** What was said in threads, and of which message. */
  readonly lines: { messageId: string; text: string; broadcast: boolean }[] = [];
  /** What becomes of the next calls; after that all goes well. */
  script: Scripted[] = [];
  lookScript: NotifyFailure[] = [];
  #release: (() => void)[] = [];

  post(message: Parameters<Notifier['post']>[0]): Promise<NotifyResult> {
    const { channel, card, notificationId, thread } = message;
    if (card.kind === 'text') {
      if (thread !== undefined) this.lines.push({ ...thread, text: card.text });
      return Promise.resolve({ ok: true, channelId: channel, messageId: `t${this.lines.length}` });
    }
    return this.#post({ channel, card, notificationId });
  }

  #post(message: { channel: string; card: AlertCard; notificationId: string }): Promise<NotifyResult> {
    this.calls.push({ kind: 'post', messageId: null, ...message });
    const messageId = `m${this.calls.length}`;
    return this.#answer(() => {
      this.messages.set(messageId, message);
      return { ok: true, channelId: `C${message.channel}`, messageId };
    });
  }

  edit(message: Parameters<Notifier['edit']>[0]): Promise<NotifyResult> {
    const { channelId, messageId, card, notificationId } = message;
    if (card.kind === 'text') return Promise.resolve({ ok: true, channelId, messageId });
    this.calls.push({ kind: 'edit', channel: channelId, messageId, card, notificationId });
    return this.#answer(() => {
      const there = this.messages.get(messageId);
      if (there === undefined) return { ok: false, reason: 'gone', code: 'message_not_found', detail: '' };
      this.messages.set(messageId, { ...there, card });
      return { ok: true, channelId, messageId };
    });
  }

  findPosted(search: { notificationId: string }): ReturnType<FindsPosted['findPosted']> {
    this.looks.push(search.notificationId);
    const failure = this.lookScript.shift();
    if (failure !== undefined) return Promise.resolve(failure);
    const found = [...this.messages].find(([, message]) => message.notificationId === search.notificationId);
    if (found === undefined) return Promise.resolve({ ok: true, found: null });
    return Promise.resolve({ ok: true, found: { channelId: `C${found[1].channel}`, messageId: found[0] } });
  }

  /** Lets calls that hang go on. */
  release(): void {
    for (const go of this.#release.splice(0)) go();
  }

  async #answer(apply: () => NotifyResult): Promise<NotifyResult> {
    const step = this.script.shift();
    if (step === undefined) return apply();
    if (step === 'hang') await new Promise<void>((resolve) => void this.#release.push(resolve));
    if (step === 'hang') return apply();
    if (step === 'lost') {
      apply();
      return refusal('unknown');
    }
    return step;
  }
}

function refusal(reason: NotifyFailureReason, retryAfterMs?: number): NotifyFailure {
  return {
    ok: false,
    reason,
    code: 'code',
    detail: 'detail',
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

let database: DomainDatabase;
let vendor: FakeNotifier;
let dispatcher: Dispatcher;
let events: DispatchEvent[];
let nowS: number;
/** Of this alert no card can be made. */
let unreadable: string | null;
const clock: Clock = { now: () => at(nowS) };
const pace = { burstPerChannel: 20, postsPerSecondPerChannel: 1, editBurst: 40, editsPerMinute: 50 };
const channels = { critical: '#crit', default: '#default', development: '#dev' };

beforeAll(async () => {
  database = await openDomainDatabase();
});

afterAll(() => database.close());

beforeEach(async () => {
  await database.reset();
  vendor = new FakeNotifier();
  events = [];
  nowS = 20;
  unreadable = null;
  dispatcher = newDispatcher();
});

afterEach(async () => {
  vendor.release();
  await dispatcher.stop();
});

function newDispatcher(): Dispatcher {
  const alertUrl = (id: string): string => {
    if (id === unreadable) throw new Error('unreadable');
    return `https://gomon.example.org/${id}`;
  };
  const links = { alertUrl, traceUrl: () => null };
  return new Dispatcher({
    db: database.db,
    notifier: vendor,
    pace,
    links,
    clock,
    concurrency: 4,
    observe: (event) => void events.push(event),
  });
}

const plan = (ids: string[]): Promise<void> =>
  planNotifications(database.db, ids, { notifier: 'fake', routing: { routes: [], channels } }, at(nowS));

async function fire(parts: Parameters<typeof describedSignal>[0] = {}): Promise<string> {
  const [id = ''] = await database.store([describedSignal(parts)], at(nowS));
  await plan([id]);
  return id;
}

async function change(id: string, action: AlertAction): Promise<void> {
  await act(database.db, id, action, { userId: 'ann', door: 'slack' }, at(nowS));
  await plan([id]);
}

const rows = (): Promise<Notification[]> =>
  database.rows(`SELECT * FROM notifications WHERE purpose = 'card' ORDER BY id`);

/** Until nothing is left to do at this time of the clock. */
async function settle(): Promise<Notification[]> {
  dispatcher.start();
  dispatcher.wake();
  await vi.waitFor(
    async () => {
      const open = await database.row<{ count: number }>(
        `SELECT count(*)::int AS count FROM notifications n
         JOIN send_budgets b ON b.lane = regexp_replace(n.lane, '^(line|notice):', 'post:')
         WHERE claimed_at IS NOT NULL OR (state = 'unknown' AND due_at <= $1)
           OR (state = 'due' AND due_at <= $1 AND (b.paused_until IS NULL OR b.paused_until <= $1)
             AND (b.tokens >= 1 OR b.refilled_at < $1))`,
        [clock.now()],
      );
      expect(open.count).toBe(0);
    },
    { interval: 5, timeout: 5_000 },
  );
  return rows();
}

describe('the dispatcher', () => {
  it('posts once, and what it posted is what is so', async () => {
    const id = await fire({ severity: 'P1' });
    await plan([id]);
    const [row] = await settle();
    expect(vendor.calls.map((call) => [call.kind, call.channel])).toEqual([['post', '#crit']]);
    expect(vendor.calls[0]?.card).toMatchObject({
      alertId: id,
      status: 'firing',
      severity: 'P1',
      title: 'Basket is slow',
    });
    expect(row).toMatchObject({
      state: 'sent',
      lane: 'edit',
      channel_id: 'C#crit',
      message_id: 'm1',
      posted_at: at(20),
    });
    expect(vendor.calls[0]?.notificationId).toBe(row?.id);
    expect(events).toContainEqual({ kind: 'posted', channel: '#crit', severity: 'P1', latencyMs: 0 });
  });

  it('edits the same message to each state, and to the end', async () => {
    const id = await fire();
    await settle();
    nowS = 30;
    await change(id, { kind: 'acknowledge' });
    await settle();
    nowS = 40;
    await change(id, { kind: 'resolve' });
    const [row, ...others] = await settle();
    expect(others).toEqual([]);
    expect(vendor.calls.map((call) => [call.kind, call.card.status])).toEqual([
      ['post', 'firing'],
      ['edit', 'acknowledged'],
      ['edit', 'resolved'],
    ]);
    expect(vendor.messages.get('m1')?.card).toMatchObject({ status: 'resolved', actions: [] });
    expect(row).toMatchObject({ closed: true, state: 'sent' });
  });

  it('shows a person whose name holds what PostgreSQL cannot store', async () => {
    const id = await fire();
    await change(id, { kind: 'assign', assignedTo: 'ann\0' });
    const [row] = await settle();
    expect(row).toMatchObject({ state: 'sent' });
    expect(vendor.calls[0]?.card.assignedTo?.id).toBe('ann\0');
  });

  it('skips what would look the same', async () => {
    const id = await fire();
    await settle();
    await plan([id]);
    await settle();
    expect(vendor.calls).toHaveLength(1);
    expect(events.map((event) => event.kind)).toEqual(['posted', 'skipped']);
  });

  it('sends the last state only, however many came before it', async () => {
    const id = await fire();
    await settle();
    // It may still be looking after its last send, and must not see them one by one.
    await dispatcher.stop();
    await change(id, { kind: 'acknowledge' });
    await change(id, { kind: 'escalate' });
    await change(id, { kind: 'resolve' });
    dispatcher = newDispatcher();
    await settle();
    expect(vendor.calls.filter((call) => call.messageId === 'm1').map((call) => call.card.status)).toEqual([
      'resolved',
    ]);
  });

  it('sends what changed while it was sending', async () => {
    vendor.script = ['hang'];
    const id = await fire();
    dispatcher.start();
    await vi.waitFor(() => expect(vendor.calls).toHaveLength(1), { interval: 5 });
    await change(id, { kind: 'resolve' });
    vendor.release();
    await settle();
    expect(vendor.calls.map((call) => [call.kind, call.card.status])).toEqual([
      ['post', 'firing'],
      ['edit', 'resolved'],
    ]);
  });

  it('tells a refire anew and ends the message of before', async () => {
    const id = await fire();
    await settle();
    await database.store([resolvedSignal()], at(310));
    nowS = 500;
    await database.store([describedSignal({ startsAt: at(490) })], at(500));
    await plan([id]);
    const ledger = await settle();
    expect(ledger.map((row) => [row.episode, row.closed, row.state])).toEqual([
      [1, true, 'sent'],
      [2, false, 'sent'],
    ]);
    expect([...vendor.messages.values()].map((message) => message.card.status)).toEqual([
      'resolved',
      'firing',
    ]);
  });

  it('ends also the message of an alert that was archived', async () => {
    const id = await fire();
    await settle();
    await change(id, { kind: 'resolve-and-archive' });
    await settle();
    expect(vendor.messages.get('m1')?.card.status).toBe('resolved');
  });

  it('says nothing of what is told to nobody, and ends what had been told before', async () => {
    await fire({ fingerprint: 'watchdog', mute: 'heartbeat' });
    const id = await fire();
    await settle();
    expect(vendor.calls.map((call) => call.card.alertId)).toEqual([id]);
    await database.store([describedSignal({ mute: 'severity-none', severity: 'P4' })], at(50));
    await plan([id]);
    await database.store([resolvedSignal({ mute: 'severity-none', severity: 'P4' })], at(310));
    await plan([id]);
    await settle();
    expect(vendor.calls.filter((call) => call.kind === 'post')).toHaveLength(1);
    expect(vendor.messages.get('m1')?.card.status).toBe('resolved');
  });

  it('shows alerts of one broken data source in one message, to the last of them', async () => {
    const broken = (n: number) =>
      describedSignal({ fingerprint: `d${n}`, title: `Rule ${n}: no data`, foldKey: 'ds' });
    const ids = await database.store([broken(1), broken(2)], at(20));
    await Promise.all(ids.map((id) => plan([id])));
    await settle();
    expect(vendor.messages.size).toBe(1);
    expect(vendor.messages.get('m1')?.card).toMatchObject({
      kind: 'datasource',
      status: 'firing',
      rules: [{ title: 'Rule 1: no data' }, { title: 'Rule 2: no data' }],
    });
    await database.store([resolvedSignal({ fingerprint: 'd1', foldKey: 'ds' })], at(310));
    await plan(ids);
    await settle();
    expect(vendor.messages.get('m1')?.card).toMatchObject({
      status: 'firing',
      rules: [{ title: 'Rule 2: no data' }],
    });
    await database.store([resolvedSignal({ fingerprint: 'd2', foldKey: 'ds' })], at(320));
    await plan(ids);
    await settle();
    expect(vendor.messages.size).toBe(1);
    expect(vendor.messages.get('m1')?.card).toMatchObject({ status: 'resolved', actions: [] });
  });
});

describe('an unknown outcome', () => {
  it('of a post is looked for, and the message adopted and brought up to date', async () => {
    vendor.script = ['lost'];
    const id = await fire();
    expect(await settle()).toMatchObject([{ state: 'unknown', due_at: at(23), message_id: null }]);
    await change(id, { kind: 'resolve' });
    nowS = 23;
    // Where it was posted is known from another message to the same place.
    await database.rows(
      `INSERT INTO notifications SELECT (jsonb_populate_record(n, jsonb_build_object('id', gen_random_uuid(), 'subject', 'other', 'state', 'sent', 'channel_id', 'C#default', 'message_id', 'm0'))).* FROM notifications n`,
    );
    const ledger = await settle();
    expect(ledger.find((row) => row.alert_id === id && row.subject !== 'other')).toMatchObject({
      state: 'sent',
      message_id: 'm1',
      channel_id: 'C#default',
    });
    expect(vendor.calls.map((call) => call.kind)).toEqual(['post', 'edit']);
    expect(vendor.messages.get('m1')?.card.status).toBe('resolved');
    expect(events.map((event) => event.kind)).toEqual(['failed', 'adopted', 'edited']);
  });

  it('of a post that is nowhere is posted again after the second look, not before', async () => {
    await fire({ fingerprint: 'teaches where the channel is' });
    await settle();
    vendor.script = [refusal('unavailable'), refusal('unknown')];
    await fire();
    await settle();
    nowS = 30;
    await settle();
    expect(vendor.looks).toHaveLength(0);
    nowS = 33;
    await settle();
    expect(vendor.looks).toHaveLength(1);
    expect(vendor.calls).toHaveLength(3);
    nowS = 36;
    await settle();
    expect(vendor.looks).toHaveLength(2);
    expect(vendor.calls).toHaveLength(4);
    expect(vendor.messages.size).toBe(2);
    expect((await rows()).map((row) => row.state)).toEqual(['sent', 'sent']);
  });

  it('waits as long as the vendor says when even looking is too much', async () => {
    await fire({ fingerprint: 'teaches where the channel is' });
    await settle();
    vendor.script = ['lost'];
    vendor.lookScript = [refusal('rate-limited', 20_000)];
    await fire();
    await settle();
    nowS = 23;
    await settle();
    expect((await rows()).at(-1)).toMatchObject({ state: 'unknown', due_at: at(43) });
    nowS = 43;
    await settle();
    expect(vendor.calls.filter((call) => call.kind === 'post')).toHaveLength(2);
    expect((await rows()).at(-1)?.state).toBe('sent');
  });

  it('of an edit is simply edited again', async () => {
    const id = await fire();
    await settle();
    vendor.script = ['lost'];
    await change(id, { kind: 'acknowledge' });
    await settle();
    nowS = 30;
    await settle();
    expect(vendor.calls.map((call) => call.kind)).toEqual(['post', 'edit', 'edit']);
    expect(vendor.looks).toEqual([]);
  });
});

describe('a failure', () => {
  it('of a message that is gone posts it anew, once only', async () => {
    const id = await fire();
    await settle();
    vendor.messages.clear();
    await change(id, { kind: 'acknowledge' });
    await settle();
    expect(vendor.calls.map((call) => call.kind)).toEqual(['post', 'edit', 'post']);
    vendor.messages.clear();
    await change(id, { kind: 'resolve' });
    const [row] = await settle();
    expect(vendor.calls.map((call) => call.kind)).toEqual(['post', 'edit', 'post', 'edit']);
    expect(row).toMatchObject({ state: 'failed', reposts: 1 });
  });

  it('of the message itself ends it, and its next change is tried', async () => {
    vendor.script = [refusal('payload')];
    const id = await fire();
    expect(await settle()).toMatchObject([{ state: 'failed', last_error: 'payload: code detail' }]);
    nowS = 9_000;
    await settle();
    expect(vendor.calls).toHaveLength(1);
    await change(id, { kind: 'acknowledge' });
    expect(await settle()).toMatchObject([{ state: 'sent' }]);
  });

  it('by too many calls holds the channel, not the others', async () => {
    vendor.script = [refusal('rate-limited', 7_000)];
    await fire();
    await settle();
    await fire({ fingerprint: 'same channel' });
    await fire({ fingerprint: 'another channel', severity: 'P0' });
    await settle();
    expect(vendor.calls.map((call) => call.channel)).toEqual(['#default', '#crit']);
    nowS = 26.9;
    await settle();
    expect(vendor.calls).toHaveLength(2);
    nowS = 27;
    await settle();
    expect(vendor.calls).toHaveLength(4);
  });

  it('to read one alert holds its own message only, and that not for long', async () => {
    unreadable = await fire();
    await fire({ fingerprint: 'f2' });
    await settle();
    expect(vendor.calls.map((call) => call.card.alertId)).not.toContain(unreadable);
    expect(vendor.calls).toHaveLength(1);
    unreadable = null;
    nowS = 21.25;
    expect(await settle()).toMatchObject([{ state: 'sent' }, { state: 'sent' }]);
    expect(vendor.calls).toHaveLength(2);
    expect(events).toContainEqual({ kind: 'trouble', error: new Error('unreadable') });
  });

  it('that surely did not arrive is tried again, no sooner than a second later', async () => {
    vendor.script = [refusal('unavailable')];
    await fire();
    await settle();
    nowS = 20.999;
    await settle();
    expect(vendor.calls).toHaveLength(1);
    nowS = 21.25;
    await settle();
    expect(vendor.calls).toHaveLength(2);
    expect(await rows()).toMatchObject([{ state: 'sent', attempts: 0, last_error: null }]);
  });
});

describe('stopping', () => {
  it('finishes what is under way and takes nothing more', async () => {
    vendor.script = ['hang'];
    await fire();
    dispatcher.start();
    await vi.waitFor(() => expect(vendor.calls).toHaveLength(1), { interval: 5 });
    const stopped = dispatcher.stop();
    await fire({ fingerprint: 'later' });
    vendor.release();
    await stopped;
    expect((await rows()).map((row) => row.state)).toEqual(['sent', 'due']);
    expect(vendor.calls).toHaveLength(1);
  });

  it('leaves to the next process what a killed one was sending', async () => {
    const id = await fire();
    await settle();
    await change(id, { kind: 'acknowledge' });
    await dispatcher.stop();
    await database.rows(`UPDATE notifications SET state = 'sending', claimed_at = $1`, [at(20)]);
    nowS = 66;
    dispatcher = newDispatcher();
    await settle();
    expect(vendor.messages.get('m1')?.card.status).toBe('acknowledged');
  });
});
