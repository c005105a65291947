import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { at, describedSignal, intakeRequest } from '../../test/support/alerts.ts';
import { type DomainDatabase, openDomainDatabase } from '../../test/support/domain-database.ts';
import { Intake } from '../alerts/intake.ts';
import { newId } from '../lib/ids.ts';
import { SpoolFolder } from './spool-folder.ts';
import { toFileText } from './spooled-request.ts';
import { takeIn, type TakeInDependencies, type TakenIn } from './take-in.ts';

let database: DomainDatabase;
let dir: string;

beforeEach(async () => {
  database = await openDomainDatabase();
  dir = await mkdtemp(path.join(tmpdir(), 'gomon-take-in-'));
});
afterEach(async () => {
  await database.close();
  await rm(dir, { recursive: true, force: true });
});

/** Something else happens just before a request is stored. */
class InterruptedIntake extends Intake {
  readonly before: (() => Promise<unknown>)[] = [];

  override async submitWith(...request: Parameters<Intake['submitWith']>): ReturnType<Intake['submitWith']> {
    await this.before.shift()?.();
    return super.submitWith(...request);
  }
}

const limits = { queuedAlerts: 1_000, alertsPerCommit: 200 };

function process(): { intake: InterruptedIntake; takeIn: (id: string) => Promise<TakenIn> } {
  const intake = new InterruptedIntake({ db: database.db, limits, observe: () => undefined });
  const folder = new SpoolFolder(dir, { maxBytes: 1e6, maxRequests: 10 });
  const deps: TakeInDependencies = {
    db: database.db,
    intake,
    folder,
    clock: { now: () => at(60) },
    notifier: 'slack',
    claim: () => ({ claim: () => Promise.resolve(), store: () => Promise.resolve() }),
  };
  return { intake, takeIn: (id) => takeIn(deps, id) };
}

async function spool(): Promise<string> {
  const deliveryId = newId();
  const request = { ...intakeRequest([describedSignal({ title: 'Down' })], at(0)), deliveryId };
  const folder = new SpoolFolder(dir, { maxBytes: 1e6, maxRequests: 10 });
  await folder.write(deliveryId, toFileText({ request, idempotency: null }));
  return deliveryId;
}

describe('a spooled request of which two processes know', () => {
  it('is stored by one, and for the other it was stored before', async () => {
    const id = await spool();
    const [one, other] = [process(), process()];
    let byOther: TakenIn | null = null;
    one.intake.before.push(async () => {
      byOther = await other.takeIn(id);
    });
    expect(await one.takeIn(id)).toEqual({ outcome: 'stored-before' });
    expect(byOther).toEqual({ outcome: 'stored' });
    expect(await one.takeIn(id)).toEqual({ outcome: 'gone' });
    expect(await readdir(dir)).toEqual([]);
    expect(await database.rows('SELECT occurrences FROM alerts_active')).toEqual([{ occurrences: 1 }]);
    await one.intake.stop();
    await other.intake.stop();
  });
});
