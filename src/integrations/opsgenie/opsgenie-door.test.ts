import { describe, expect, it } from 'vitest';
import type { ProviderEvent } from '../../incidents/provider-door.ts';
import { createOpsgenieDoor } from './opsgenie-door.ts';

const door = createOpsgenieDoor({ webhookSecrets: ['secret'] });

function read(body: Record<string, unknown>): ProviderEvent {
  const answer = door.read(Buffer.from(JSON.stringify(body)));
  if (!answer.ok) throw new Error(answer.reason);
  return answer.event;
}

const incidentId = '0199c0de-0000-7000-8000-000000000001';

describe('what a webhook tells', () => {
  it.each([
    ['Create', 'create'],
    ['acknowledge', 'acknowledge'],
    ['UnAcknowledge', 'unacknowledge'],
    ['AssignOwnership', 'assign'],
    ['TakeOwnership', 'assign'],
    ['UpdatePriority', 'severity'],
    ['Close', 'close'],
    ['Escalate', 'escalate'],
    ['ESCALATENEXT', 'escalate'],
    ['AddNote', 'note'],
    ['Delete', 'delete'],
    ['AddTags', 'other'],
    ['SnoozeEnded', 'other'],
    ['RestartEverything', 'other'],
    ['toString', 'other'],
    ['__proto__', 'other'],
  ])('%s is %s', (action, kind) => {
    expect(read({ action, alert: { alertId: 'a1' } }).kind).toBe(kind);
  });

  it('who did it, through which door, and when', () => {
    const event = read({
      action: 'AddNote',
      alert: {
        alertId: 'a1',
        alias: `gomon-${incidentId}`,
        username: 'ada@example.com',
        note: 'on it',
        updatedAt: 1_700_000_123_456_000_000,
      },
      source: { type: 'API' },
    });
    expect(event).toEqual({
      subject: 'a1',
      action: 'AddNote',
      kind: 'note',
      incidentId,
      externalIncidentId: null,
      foreign: false,
      actor: 'ada@example.com',
      automatic: false,
      byApi: true,
      note: 'on it',
      owner: null,
      occurredAt: '2023-11-14T22:15:23.456Z',
    });
  });

  it.each([[null], ['System'], ['system']])('%s is no person', (username) => {
    expect(read({ action: 'Close', alert: { alertId: 'a1', username } }).automatic).toBe(true);
  });

  it.each<[string, Record<string, unknown>, boolean]>([
    ['an alias of its own', { alias: 'disk-full' }, true],
    ['our alias', { alias: `gomon-${incidentId}` }, false],
    ['our tag', { alias: 'x', tags: [`gomon-${incidentId}`] }, false],
    ['no alias', {}, false],
    ['an alias left out', { alias: '-' }, false],
    ['an incident that it pages for', { alias: 'x', details: { 'incident-id': 'i1' } }, false],
    ['an incident in its alias', { alias: `${incidentId}_${incidentId}` }, false],
  ])('with %s', (_name, alert, foreign) => {
    expect(read({ action: 'Close', alert: { alertId: 'a1', ...alert } }).foreign).toBe(foreign);
  });

  it('the incident it pages for is in its alias, too', () => {
    const event = read({ action: 'Close', alert: { alertId: 'a1', alias: `${incidentId}_${incidentId}` } });
    expect(event.externalIncidentId).toBe(incidentId);
  });
});
