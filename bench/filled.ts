import pg from 'pg';
import { settle } from './houses.ts';
import { postAll } from './load.ts';
import { grafanaWebhook } from './payloads.ts';
import { type Service, startService } from './service.ts';
import type { Stage } from './stage.ts';

export const filledAlerts = 100_000;
const alertsPerWebhook = 100;
const connections = 8;

const filled = new WeakMap<Stage, string>();

/** Sends 100,000 new alerts through the front door, and waits until all that follows from them is done. */
export async function fill(service: Service, databaseUrl: string): Promise<void> {
  // Made bit by bit: as many bodies at once would be the generator's own 130 MB.
  const perTurn = connections * 5;
  for (let sent = 0; sent < filledAlerts / alertsPerWebhook; sent += perTurn) {
    const left = Math.min(perTurn, filledAlerts / alertsPerWebhook - sent);
    const bodies = Array.from({ length: left }, () => grafanaWebhook(alertsPerWebhook));
    await postAll(`${service.url}/api/v1/webhooks/grafana`, bodies, {
      connections,
      headers: service.headers,
    });
  }
  const reader = new pg.Pool({ connectionString: databaseUrl, max: 1, application_name: 'gomon bench' });
  try {
    await settle(reader);
    // As autovacuum would within minutes: statistics, and what is dead is gone.
    await reader.query('VACUUM ANALYZE');
  } finally {
    await reader.end();
  }
}

/** A database of its own with 100,000 active alerts; filled once for all parts. */
export async function filledDatabase(stage: Stage, name: string): Promise<string> {
  const known = filled.get(stage);
  if (known !== undefined) return stage.createDatabase(name, known);
  const template = await stage.createDatabase('filled');
  const service = await startService({ name: 'filled', folder: stage.folder, databaseUrl: template });
  try {
    await fill(service, template);
  } finally {
    await service.stop();
  }
  rememberFilled(stage, 'filled');
  return stage.createDatabase(name, 'filled');
}

/** For a part that has filled a database anyway; nobody may use it any more. */
export function rememberFilled(stage: Stage, databaseName: string): void {
  filled.set(stage, databaseName);
}
