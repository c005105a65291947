import type { Db } from '../db/pool.ts';
import { toStorable } from '../db/text.ts';
import type { Clock } from '../lib/clock.ts';
import { openStatuses, type SourceName } from './alert.ts';
import { missingHeartbeat } from './missing-heartbeat.ts';
import { describeSignal } from './describe.ts';
import { expectHeartbeat, heartbeatsOf } from './heartbeat-store.ts';
import type { Intake } from './intake.ts';
import type { AlertSignal } from './source.ts';
import type { SourceRules } from './source-rules.ts';

/**
 * Turns the silence of a source into an alert. Watchdog-like alerts fire as long
 * as their sender and everything between is alive; when none arrived for the
 * source's `heartbeatSeconds`, an alert of that source is raised, and it ends with
 * the next heartbeat.
 */
export type WatchedSource = { name: SourceName; heartbeatSeconds: number; rules: SourceRules };

export async function watchHeartbeats(
  deps: { db: Db; intake: Intake; clock: Clock },
  sources: WatchedSource[],
): Promise<void> {
  for (const source of sources) {
    const now = deps.clock.now();
    await expectHeartbeat(deps.db, source.name, now);
    for (const beat of await heartbeatsOf(deps.db, source.name)) {
      const silentMs = now.getTime() - beat.lastSeenAt.getTime();
      const missing = silentMs > source.heartbeatSeconds * 1_000;
      if (missing === (await isRaised(deps.db, source.name, beat.tenant))) continue;
      await report(deps, source, { ...beat, missing }, now);
    }
  }
}

async function isRaised(db: Db, source: SourceName, tenant: string): Promise<boolean> {
  const row = await db
    .selectFrom('alerts_active')
    .select('id')
    .where('source', '=', source)
    .where('tenant', '=', toStorable(tenant))
    .where('fingerprint', '=', missingHeartbeat)
    .where('status', 'in', openStatuses)
    .executeTakeFirst();
  return row !== undefined;
}

async function report(
  deps: { intake: Intake },
  source: WatchedSource,
  beat: { tenant: string; lastSeenAt: Date; missing: boolean },
  now: Date,
): Promise<void> {
  const signal: AlertSignal = {
    status: beat.missing ? 'firing' : 'resolved',
    tenant: beat.tenant,
    fingerprint: missingHeartbeat,
    labels: { alertname: 'HeartbeatMissing', source: source.name },
    annotations: {
      summary: `No heartbeat from ${source.name} for ${source.heartbeatSeconds} s`,
      description:
        `The last heartbeat arrived at ${beat.lastSeenAt.toISOString()}. ` +
        `While it is silent, other alerts of ${source.name} may not reach us either.`,
    },
    links: [],
    values: null,
    startsAt: beat.missing ? now : null,
    endsAt: beat.missing ? null : now,
    expiresAt: null,
    stateReason: null,
    explicit: { severity: 'P1' },
  };
  const described = describeSignal(signal, source.rules, source.name);
  const result = await deps.intake.submit({
    source: source.name,
    sender: 'system',
    door: 'system',
    receivedAt: now,
    entries: [{ ok: true, signal: described }],
    raw: { contentType: 'application/json', headers: {}, body: Buffer.from(JSON.stringify(signal)) },
  });
  if (!result.ok)
    throw new Error(`the missing heartbeat of ${source.name} could not be stored: ${result.reason}`);
}
