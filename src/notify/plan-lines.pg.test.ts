import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { at, describedSignal, resolvedSignal } from '../../test/support/alerts.ts';
import { type DomainDatabase, openDomainDatabase } from '../../test/support/domain-database.ts';
import { act, type AlertAction } from '../alerts/actions.ts';
import type { Notification } from './ledger.ts';
import { planNotifications } from './plan.ts';
import { planLine, type PlannedLine } from './plan-lines.ts';

let database: DomainDatabase;

beforeAll(async () => {
  database = await openDomainDatabase();
});

afterAll(() => database.close());

beforeEach(async () => {
  await database.reset();
});

const channels = { critical: '#crit', default: '#default', development: '#dev' };
const plan = (id: string, second: number): Promise<void> =>
  planNotifications(database.db, [id], { notifier: 'slack', routing: { routes: [], channels } }, at(second));
/** All cards that wait are posted. */
const posted = (second: number): Promise<unknown> =>
  database.rows(
    `UPDATE notifications SET state = 'sent', posted_at = $1, sent_to = channel, channel_id = 'C', message_id = id::text
     WHERE purpose = 'card' AND posted_at IS NULL`,
    [at(second)],
  );
const lines = (): Promise<Notification[]> =>
  database.rows<Notification>(`SELECT * FROM notifications WHERE purpose LIKE 'line:%' ORDER BY id`);
const said = async (): Promise<string[]> => (await lines()).map((row) => row.content?.text ?? '');

async function fire(): Promise<string> {
  const [id = ''] = await database.store([describedSignal()], at(10));
  await plan(id, 10);
  return id;
}
async function done(id: string, second: number, action: AlertAction): Promise<void> {
  await act(database.db, id, action, { userId: 'ann@example.org', door: 'api' }, at(second));
  await plan(id, second);
}

describe('the lines of what happened', () => {
  it('belong to the card, expire, and are planned once, however often', async () => {
    const id = await fire();
    await posted(20);
    await done(id, 30, { kind: 'acknowledge' });
    await plan(id, 40);
    const [card] = await database.rows<Notification>(`SELECT * FROM notifications WHERE purpose = 'card'`);
    expect(await lines()).toMatchObject([
      {
        parent_id: card?.id,
        subject: `alert:${id}`,
        lane: 'line:#default',
        content: { text: 'Acknowledged by ann@example.org', broadcast: false },
        expires_at: at(630),
      },
    ]);
  });

  it('are none for what was so before the card was there, nor for what is long past', async () => {
    const id = await fire();
    await done(id, 15, { kind: 'acknowledge' });
    await posted(20);
    await act(database.db, id, { kind: 'resolve' }, { userId: 'ann', door: 'api' }, at(30));
    await plan(id, 700);
    expect(await said()).toEqual([]);
  });

  it('go where the card really is', async () => {
    const id = await fire();
    await posted(20);
    await database.rows(`UPDATE notifications SET sent_to = '#crit'`);
    await done(id, 30, { kind: 'acknowledge' });
    expect(await lines()).toMatchObject([{ lane: 'line:#crit', channel: '#default' }]);
  });

  it('stay with the episode they belong to', async () => {
    const id = await fire();
    await posted(20);
    await database.store([resolvedSignal()], at(310));
    await database.store([describedSignal({ startsAt: at(400) })], at(410));
    await plan(id, 410);
    await posted(420);
    await done(id, 430, { kind: 'acknowledge' });
    expect((await lines()).map((row) => [row.episode, row.content?.text])).toEqual([
      [1, 'Resolved by its source (grafana)'],
      [2, 'Acknowledged by ann@example.org'],
    ]);
  });
});

describe('a line of somebody else', () => {
  const add = (line: Partial<PlannedLine> & { alertId: string }, second = 50): Promise<number> =>
    database.db
      .transaction()
      .execute((tx) =>
        planLine(tx, { notifier: 'slack', key: 'k', text: 'No incident: refused', ...line }, at(second)),
      );

  it('is planned once for its key, also while its card is not there yet', async () => {
    const alertId = await fire();
    expect(await add({ alertId })).toBe(1);
    expect(await add({ alertId, text: 'again' })).toBe(0);
    expect(await add({ alertId, key: 'other', broadcast: true })).toBe(1);
    expect(await lines()).toMatchObject([
      { content: { text: 'No incident: refused', broadcast: false }, expires_at: null },
      { content: { broadcast: true } },
    ]);
  });

  it('is planned nowhere when there is no card', async () => {
    const [alertId = ''] = await database.store([describedSignal({ mute: 'heartbeat' })], at(10));
    expect(await add({ alertId })).toBe(0);
    expect(await add({ alertId: '01993f00-0000-7000-8000-000000000001' })).toBe(0);
  });
});
