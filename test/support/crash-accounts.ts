import type pg from 'pg';
import { expect, vi } from 'vitest';
import type { OpsgenieSandbox } from '../../sandbox/opsgenie/server.ts';
import type { SlackSandbox } from '../../sandbox/slack/server.ts';
import type { Reported } from './crash-senders.ts';

type AlertRow = {
  id: string;
  fingerprint: string;
  title: string;
  status: string;
  incident_id: string | null;
  acknowledgements: number;
};

/** Until nothing waits to be done: no job, no message, no command to the provider. */
export async function settled(client: pg.Client, timeoutMs: number): Promise<void> {
  const waiting = `
    SELECT 'job' AS kind, task_id || ' after ' || attempts || ' attempts, held by ' || coalesce(locked_by || ' since ' || locked_at, 'nobody')
      || ', due ' || run_at || ', ' || coalesce(last_error, 'no error') AS what FROM graphile_worker._private_jobs
      -- One that runs while its successor is added is marked as done with; killed then, it stays behind.
      WHERE attempts < max_attempts OR last_error IS NOT NULL
    UNION ALL SELECT 'message', state || ' ' || to_jsonb(n)::text FROM notifications n WHERE state <> 'sent'
    UNION ALL SELECT 'command', state || ' ' || to_jsonb(c)::text FROM incident_commands c WHERE state <> 'confirmed'`;
  const left = async (): Promise<unknown[]> => (await client.query(waiting)).rows;
  await vi.waitFor(async () => expect(await left()).toEqual([]), { timeout: timeoutMs, interval: 200 });
}

/** Accounts for every 2xx: stored, told exactly once, at the provider exactly once, all in their final state. */
export async function account(
  client: pg.Client,
  reported: Reported[],
  { slack, opsgenie }: { slack: SlackSandbox; opsgenie: OpsgenieSandbox },
): Promise<void> {
  const { rows } = await client.query<AlertRow>(`
    SELECT a.id, a.fingerprint, a.title, a.status, a.incident_id,
      (SELECT count(*)::int FROM alert_actions k WHERE k.alert_id = a.id AND k.action = 'acknowledge') AS acknowledgements
    FROM alerts_active a`);
  const byTitle = new Map(rows.map((row) => [row.title, row]));
  expect([...byTitle.keys()].toSorted()).toEqual(reported.map((one) => one.name).toSorted());
  expect(rows).toHaveLength(reported.length);
  for (const one of reported) {
    const expected = one.status === 'resolved' ? 'resolved' : one.acknowledged ? 'acknowledged' : 'firing';
    const row = byTitle.get(one.name);
    // A click whose answer was lost may count all the same.
    const states = one.forPeople && !one.acknowledged ? ['firing', 'acknowledged'] : [expected];
    expect(states, `${one.name} is ${row?.status ?? 'missing'}`).toContain(row?.status);
    expect(row?.acknowledgements, `acknowledgements of ${one.name}`).toBeLessThanOrEqual(1);
  }

  const cards = ['#alert-critical', '#k8s-healthchecks'].flatMap((channel) => slack.messages(channel));
  const cardsByAlert = Map.groupBy(cards, (card) => alertIdOf(card.metadata));
  expect(cards).toHaveLength(reported.length);
  for (const row of rows) {
    const [card, ...others] = cardsByAlert.get(row.id) ?? [];
    expect(others, `more than one card for ${row.title}`).toEqual([]);
    const shown = JSON.stringify([card?.text, card?.blocks]);
    expect(shown, `the card of ${row.title}`).toContain(row.title);
    expect(/resolved/i.test(card?.text ?? ''), `the card of ${row.title}, which is ${row.status}`).toBe(
      row.status === 'resolved',
    );
    expect(shown.includes('alert_resolve'), `buttons of ${row.title}`).toBe(row.status !== 'resolved');
  }

  const grave = reported.filter((one) => one.severity === 'P1');
  const incidents = await client.query<{ external_id: string; status: string; alert: string }>(
    `SELECT i.external_id, i.status, a.title AS alert FROM incidents i JOIN alerts_active a ON a.incident_id = i.id`,
  );
  // One that was over before anybody looked at it opens nothing.
  const withIncident = new Set(incidents.rows.map((row) => row.alert));
  expect(withIncident.size).toBe(incidents.rows.length);
  const without = grave.filter((one) => !withIncident.has(one.name));
  expect(without.filter((one) => one.status === 'firing')).toEqual([]);
  const there = new Map(opsgenie.alerts().map((one) => [one.id, one]));
  expect(opsgenie.alerts()).toHaveLength(incidents.rows.length);
  for (const incident of incidents.rows) {
    const resolved = byTitle.get(incident.alert)?.status === 'resolved';
    expect(there.get(incident.external_id)?.status, `the incident of ${incident.alert}`).toBe(
      resolved ? 'closed' : 'open',
    );
  }
}

function alertIdOf(metadata: unknown): string {
  const { event_payload: payload } = metadata as { event_payload: { alert_id: string } };
  return payload.alert_id;
}
