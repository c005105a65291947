import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { at, describedSignal } from '../../test/support/alerts.ts';
import { type DomainDatabase, openDomainDatabase } from '../../test/support/domain-database.ts';
import { openForChanged } from '../incidents/open.ts';
import { planNotifications } from './plan.ts';
import { planUnopenedIncidentLines } from './unopened-incidents.ts';

let database: DomainDatabase;

beforeAll(async () => {
  database = await openDomainDatabase();
});

afterAll(() => database.close());

beforeEach(async () => {
  await database.reset();
});

const channels = { critical: '#crit', default: '#default', development: '#dev' };
const options = { notifier: 'slack', providerName: 'Opsgenie', afterMs: 20_000 };

/** A P0 or P1 of second 10 with a card, whose incident waits to be opened at the provider. */
async function waiting(severity: 'P0' | 'P1' | 'P2' = 'P0'): Promise<string> {
  const [id = ''] = await database.store([describedSignal({ severity })], at(10));
  await openForChanged(
    database.db,
    [id],
    {
      autoCreate: ['P0', 'P1', 'P2'],
      assignment: [],
      provider: { name: 'opsgenie', connectionId: 'c' },
      alertUrl: (alertId) => alertId,
    },
    at(10),
  );
  await planNotifications(
    database.db,
    [id],
    { notifier: 'slack', routing: { routes: [], channels } },
    at(10),
  );
  return id;
}
const failing = (state = 'pending') =>
  database.rows(
    `UPDATE incident_commands SET state = $1, last_error = 'unavailable: 503' WHERE kind = 'open'`,
    [state],
  );
const plan = (second: number, isDown = false): Promise<number> =>
  planUnopenedIncidentLines(database.db, options, isDown, at(second));

describe('an incident that cannot be opened', () => {
  it.each(['pending', 'unknown', 'accepted'])(
    'is told in the thread of its alert, once (%s)',
    async (state) => {
      await waiting();
      await failing(state);
      expect(await plan(29)).toBe(0);
      expect(await plan(31)).toBe(1);
      expect(await plan(40)).toBe(0);
      expect(
        await database.row(`SELECT content, lane FROM notifications WHERE purpose LIKE 'line:%'`),
      ).toMatchObject({
        lane: 'line:#crit',
        content: {
          text: expect.stringMatching(
            /not open at Opsgenie yet \(unavailable: 503\).*call whoever is on call/,
          ),
          broadcast: true,
        },
      });
    },
  );

  it('is not broadcast for a P1, and not told for a P2, which pages nobody', async () => {
    await waiting('P1');
    await failing();
    expect(await plan(31)).toBe(1);
    expect(await database.row(`SELECT content FROM notifications WHERE purpose LIKE 'line:%'`)).toMatchObject(
      {
        content: { broadcast: false },
      },
    );
    await database.reset();
    await waiting('P2');
    await failing();
    expect(await plan(31)).toBe(0);
  });

  it('is told without an error of its own while calls are held back, and not when it is only slow', async () => {
    await waiting();
    expect(await plan(31)).toBe(0);
    expect(await plan(31, true)).toBe(1);
  });

  it.each(['confirmed', 'failed'])('is left alone when the call is %s', async (state) => {
    await waiting();
    await failing(state);
    expect(await plan(31, true)).toBe(0);
  });
});
