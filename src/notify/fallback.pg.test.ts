import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { at, describedSignal } from '../../test/support/alerts.ts';
import { type DomainDatabase, openDomainDatabase } from '../../test/support/domain-database.ts';
import { canaryTenant } from '../alerts/canary-alert.ts';
import { newId } from '../lib/ids.ts';
import { planFallback } from './fallback.ts';
import { addNotifications, type PlannedNotification } from './ledger.ts';

let database: DomainDatabase;

beforeAll(async () => {
  database = await openDomainDatabase();
});

afterAll(() => database.close());

beforeEach(async () => {
  await database.reset();
});

const path = { from: 'slack', to: 'webhook', afterMs: 20_000 };

/** A message to Slack planned at second 0, and what became of it. */
async function waiting(
  parts: Partial<PlannedNotification> = {},
  row: { state?: string; lastError?: string | null; messageId?: string } = {},
): Promise<string> {
  const id = newId();
  const item: PlannedNotification = {
    id,
    subject: `alert:${id}`,
    alertId: newId(),
    notifier: 'slack',
    channel: '#alert-critical',
    episode: 1,
    priority: 0,
    closed: false,
    reason: 'severity is P0',
    receivedAt: at(0),
    ...parts,
  };
  await database.db.transaction().execute((tx) => addNotifications(tx, [item], at(0)));
  const { state = 'due', lastError = 'unavailable: http_503', messageId = null } = row;
  await database.rows('UPDATE notifications SET state = $2, last_error = $3, message_id = $4 WHERE id = $1', [
    id,
    state,
    lastError,
    messageId,
  ]);
  return item.subject;
}

const told = async (): Promise<string[]> =>
  (
    await database.rows<{ subject: string }>(
      `SELECT subject FROM notifications WHERE notifier = 'webhook' ORDER BY priority, created_at, id`,
    )
  ).map((row) => row.subject);

describe('the second path', () => {
  it('carries a P0 and a P1 that were tried and not taken, once, and says why', async () => {
    const first = await waiting();
    const second = await waiting({ priority: 1 }, { state: 'unknown' });
    expect(await planFallback(database.db, path, false, at(21))).toBe(2);
    expect(await planFallback(database.db, path, false, at(22))).toBe(0);
    expect(await told()).toEqual([first, second]);
    expect(
      await database.row(
        `SELECT reason, state, channel FROM notifications WHERE notifier = 'webhook' AND priority = 0`,
      ),
    ).toEqual({
      reason: 'slack has not taken it for #alert-critical: unavailable: http_503',
      state: 'due',
      channel: 'webhook',
    });
  });

  it.each<[string, Partial<PlannedNotification>, Parameters<typeof waiting>[1], number]>([
    ['a P2', { priority: 2 }, {}, 21],
    ['one that has not waited long enough', {}, {}, 19],
    ['one that only waits its turn', {}, { lastError: null }, 21],
    ['one that is there', {}, { state: 'due', messageId: '1.2' }, 21],
    ['one that was sent', {}, { state: 'sent', messageId: '1.2' }, 21],
    ['one that is over', { closed: true }, {}, 21],
    ['another notifier’s', { notifier: 'pigeon' }, {}, 21],
  ])('leaves alone %s', async (_, parts, row, second) => {
    await waiting(parts, row);
    expect(await planFallback(database.db, path, false, at(second))).toBe(0);
  });

  it('leaves alone our own test alerts', async () => {
    const signal = describedSignal({ tenant: canaryTenant });
    const [own = ''] = await database.store([signal], at(0), 'api');
    const [other = ''] = await database.store([signal], at(0), 'grafana');
    await waiting({ alertId: own, subject: `alert:${own}` });
    await waiting({ alertId: other, subject: `alert:${other}` });
    expect(await planFallback(database.db, path, false, at(21))).toBe(1);
    expect(await told()).toEqual([`alert:${other}`]);
  });

  it('carries also what cannot be tried, while Slack is known to be down', async () => {
    await waiting({}, { lastError: null });
    expect(await planFallback(database.db, path, true, at(21))).toBe(1);
  });
});
