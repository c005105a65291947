import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { at } from '../../test/support/alerts.ts';
import { type DomainDatabase, openDomainDatabase } from '../../test/support/domain-database.ts';
import { OutageNotices } from './outage-notices.ts';

let database: DomainDatabase;
let second: number;

beforeAll(async () => {
  database = await openDomainDatabase();
});

afterAll(() => database.close());

beforeEach(async () => {
  await database.reset();
  second = 0;
});

const processOf = (): OutageNotices =>
  new OutageNotices({
    db: database.db,
    clock: { now: () => at(second) },
    notifier: 'slack',
    channel: '#alert-critical',
    meanings: {
      opsgenie: { name: 'Opsgenie', meanwhile: 'Nobody is paged there.' },
      slack: { name: 'Slack', meanwhile: 'What came meanwhile was sent late.' },
    },
  });

async function look(
  notices: OutageNotices,
  atSecond: number,
  isOpen: boolean,
  target = 'opsgenie',
): Promise<void> {
  second = atSecond;
  await notices.look([{ target, isOpen, detail: isOpen ? 'http_503: unavailable' : '' }]);
}

const told = () =>
  database.rows<{ text: string; closed: boolean; episode: number }>(
    `SELECT content ->> 'text' AS text, closed, episode FROM notifications WHERE purpose = 'notice' ORDER BY episode`,
  );

describe('the notice of an outage', () => {
  it('is told once when it lasts, and says when it is over', async () => {
    const notices = processOf();
    for (const moment of [0, 5, 10, 15, 20, 25]) await look(notices, moment, true);
    expect(await told()).toEqual([
      {
        text: expect.stringMatching(
          /^Opsgenie does not answer since .* UTC \(http_503: unavailable\)\. Nobody is paged there\.$/,
        ),
        closed: false,
        episode: 1,
      },
    ]);
    await look(notices, 30, false);
    expect(await told()).toEqual([
      { text: expect.stringMatching(/^Opsgenie answers again since/), closed: true, episode: 1 },
    ]);
  });

  it('is not worth it for what passes at once', async () => {
    const notices = processOf();
    for (const moment of [0, 5, 10]) await look(notices, moment, true);
    await look(notices, 14, false);
    for (const moment of [20, 30]) await look(notices, moment, true);
    expect(await told()).toEqual([]);
  });

  it('is told by one of several processes', async () => {
    const processes = [processOf(), processOf(), processOf()];
    for (const moment of [0, 20]) {
      second = moment;
      await Promise.all(
        processes.map((one) => one.look([{ target: 'opsgenie', isOpen: true, detail: 'x' }])),
      );
    }
    expect(await told()).toHaveLength(1);
  });

  it('is quiet about a target that comes and goes, and tells the next trouble anew', async () => {
    const notices = processOf();
    for (const start of [0, 60, 120]) {
      await look(notices, start, true);
      await look(notices, start + 20, true);
      await look(notices, start + 30, false);
    }
    expect(await told()).toHaveLength(1);
    await look(notices, 700, true);
    await look(notices, 720, true);
    expect((await told()).map((one) => one.episode)).toEqual([1, 2]);
  });

  it('is ended by another process when the one that told it is gone', async () => {
    const gone = processOf();
    await look(gone, 0, true);
    await look(gone, 20, true);
    const next = processOf();
    await look(next, 60, false);
    expect(await told()).toMatchObject([{ closed: false }]);
    await look(next, 200, false);
    expect(await told()).toMatchObject([{ closed: true }]);
  });

  it('of the notifier itself comes when it is back, once', async () => {
    const notices = processOf();
    for (const moment of [0, 20, 40]) await look(notices, moment, true, 'slack');
    expect(await told()).toEqual([]);
    await look(notices, 60, false, 'slack');
    await look(notices, 65, false, 'slack');
    expect(await told()).toMatchObject([
      {
        text: expect.stringMatching(
          /^Slack did not take messages since .* What came meanwhile was sent late\.$/,
        ),
      },
    ]);
  });
});
