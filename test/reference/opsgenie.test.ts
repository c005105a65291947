import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { incidentState } from '../../src/integrations/opsgenie/incident-mode.ts';
import { record } from '../../src/integrations/opsgenie/json.ts';
import { createOpsgenieDoor } from '../../src/integrations/opsgenie/opsgenie-door.ts';
import { defaultPriorities } from '../../src/integrations/opsgenie/priority.ts';
import { acceptedRequestId, readRequestOutcome } from '../../src/integrations/opsgenie/request-status.ts';
import { webUrls } from '../../src/integrations/opsgenie/web-url.ts';
import { parseOpsgenieWebhook } from '../../src/integrations/opsgenie/webhook.ts';

const root = process.env['GOMON_REFERENCE_DATA'];
const urls = webUrls('https://api.opsgenie.com', undefined);

function jsonFiles(folder: string): string[] {
  if (!root) return [];
  return readdirSync(join(root, 'opsgenie', folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.json'))
    .toSorted();
}

function raw(folder: string, name: string): Buffer {
  return readFileSync(join(root ?? '', 'opsgenie', folder, name));
}

const kinds: Record<string, string> = {
  Create: 'create',
  Acknowledge: 'acknowledge',
  UnAcknowledge: 'unacknowledge',
  AssignOwnership: 'assign',
  TakeOwnership: 'assign',
  Close: 'close',
  Escalate: 'escalate',
  AddNote: 'note',
  Delete: 'delete',
};

/** None of them is ours: each says so, but for those that leave their alias out or page for an incident. */
function isForeign(sent: Record<string, unknown>): boolean {
  const said = typeof sent['alias'] === 'string' && sent['alias'] !== '-';
  return said && record(sent['details'])['incident-id'] === undefined;
}

describe.skipIf(!root)('real webhooks of Opsgenie', () => {
  const names = jsonFiles('webhooks');

  it('are there', () => expect(names.length).toBeGreaterThan(0));

  it.each(names)('%s', (name) => {
    const bytes = raw('webhooks', name);
    const parsed = parseOpsgenieWebhook(bytes);
    if (!parsed.ok) throw new Error(parsed.reason);
    const { webhook } = parsed;
    const { action, alert } = record(JSON.parse(bytes.toString('utf8')));
    const sent = record(alert);
    expect(webhook).toMatchObject({
      action,
      alertId: sent['alertId'],
      dedupKey: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(webhook.actor).toBe(sent['username'] ?? null);
    expect(webhook.alias).toBe(sent['alias'] ?? null);
    expect(webhook.note).toBe(sent['note']);
    expect(webhook.externalIncidentId).toBe(record(sent['details'])['incident-id'] ?? null);
    expect(webhook.incidentId).toBeNull();
    const event = createOpsgenieDoor({ webhookSecrets: [] }).read(bytes);
    expect(event).toMatchObject({
      ok: true,
      event: { subject: sent['alertId'], kind: kinds[String(action)] ?? 'other', foreign: isForeign(sent) },
    });
    if ('priority' in sent) expect(webhook.priority).toMatch(/^P[1-5]$/);
    if (!('updatedAt' in sent)) return;
    // It happened after the alert was made, and not long after.
    const sinceMs = (webhook.occurredAt?.getTime() ?? Number.NaN) - Number(sent['createdAt']);
    expect(sinceMs).toBeGreaterThanOrEqual(0);
    expect(sinceMs).toBeLessThan(7 * 86_400_000);
  });
});

describe.skipIf(!root)('real answers of Opsgenie', () => {
  const names = jsonFiles('responses');
  const body = (name: string): unknown => JSON.parse(raw('responses', name).toString('utf8'));
  const answer = (name: string) =>
    ({ ok: true, status: 200, headers: new Headers(), body: body(name) }) as const;
  const named = (part: string) => names.filter((name) => name.includes(part));

  it.each(named('accepted'))('%s carries a request id', (name) => {
    expect(acceptedRequestId(answer(name))).toBe(record(body(name))['requestId']);
  });

  it.each(named('request-status'))('%s', (name) => {
    const outcome = readRequestOutcome(answer(name));
    expect(outcome).toMatchObject(
      name.includes('failed')
        ? { ok: true, state: 'failed', detail: expect.stringContaining('does not exist') }
        : { ok: true, state: 'done', id: expect.stringMatching(/.+/) },
    );
  });

  it.each(names.filter((name) => /^incidents?-(get|list)/.test(name)))('%s', (name) => {
    const { data } = record(body(name));
    for (const incident of (Array.isArray(data) ? data : [data]).map(record)) {
      const state = incidentState(incident, { priorities: defaultPriorities, urls });
      expect(state).toMatchObject({
        found: true,
        externalId: incident['id'],
        status: 'open',
        severity: 'P2',
        updatedAt: expect.any(Date),
      });
      expect(state.externalUrl).toBe(record(incident['links'])['web']);
    }
  });
});
