import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { type Service, startService } from './service.ts';
import type { Stage } from './stage.ts';
import { startVendors } from './vendors.ts';

/**
 * The service twice: what taking alerts in costs by itself, and what it costs
 * while the same process also plans messages, posts to Slack at Slack's pace and
 * opens incidents. Each has a database of its own on the one server.
 */
export type Houses = {
  intakeUrl: string;
  intake: Service;
  whole: Service;
  /** Until the whole service has done the work it owes, so that the next measurement does not pay for it. */
  settle(): Promise<void>;
  close(): Promise<void>;
};

const settleWithinMs = 120_000;

export async function openHouses(stage: Stage, name: string, profileFolder: string | null): Promise<Houses> {
  const closing: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const end of closing.splice(0).toReversed()) await end();
  };
  try {
    const { folder } = stage;
    const intakeUrl = await stage.createDatabase(`${name}_intake`);
    const wholeUrl = await stage.createDatabase(`${name}_whole`);
    const vendors = await startVendors([]);
    closing.push(() => vendors.stop());
    const intake = await startService({
      name: `${name}-intake`,
      folder,
      databaseUrl: intakeUrl,
      roles: 'api',
      profileFolder,
    });
    closing.push(() => intake.stop());
    const whole = await startService({
      name: `${name}-whole`,
      folder,
      databaseUrl: wholeUrl,
      vendors,
      profileFolder,
    });
    closing.push(() => whole.stop());
    const reader = new pg.Pool({ connectionString: wholeUrl, max: 1, application_name: 'gomon bench' });
    closing.push(() => reader.end());
    return { intakeUrl, intake, whole, settle: () => settle(reader), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Messages that wait for Slack's pace stay: they are no work until their time comes. */
export async function settle(reader: pg.Pool): Promise<void> {
  const until = performance.now() + settleWithinMs;
  for (;;) {
    const { rows } = await reader.query<{ jobs: number }>(
      'SELECT count(*)::int AS jobs FROM graphile_worker._private_jobs WHERE attempts = 0 OR locked_at IS NOT NULL',
    );
    if (rows[0]?.jobs === 0) return;
    if (performance.now() > until)
      throw new Error(`${rows[0]?.jobs} jobs are not done after ${settleWithinMs} ms`);
    await sleep(100);
  }
}
