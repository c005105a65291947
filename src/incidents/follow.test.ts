import { describe, expect, it } from 'vitest';
import { at, storedAlert } from '../../test/support/alerts.ts';
import type { StoredAlert } from '../alerts/alert-queries.ts';
import { nextState } from './follow.ts';
import type { Incident } from './incident.ts';

const incident = (parts: Partial<Incident> = {}): Incident => ({
  id: 'i1',
  title: 'Basket is slow',
  severity: 'P1',
  status: 'open',
  assignedTo: null,
  provider: 'opsgenie',
  connectionId: 'opsgenie:eu',
  externalKind: null,
  externalId: null,
  externalUrl: null,
  alertCount: 2,
  primaryAlertId: 'a1',
  openedBy: 'system',
  acknowledgedAt: null,
  acknowledgedBy: null,
  overruledSeverity: null,
  createdAt: at(10),
  updatedAt: at(10),
  resolvedAt: null,
  ...parts,
});
const open = storedAlert({ id: 'a1', severity: 'P1' });
const over = storedAlert({ id: 'a2', severity: 'P0', status: 'resolved', resolvedAt: at(90) });
const now = at(100);

describe('what alerts mean for their incident', () => {
  it('is nothing while nothing changed', () => {
    expect(nextState(incident(), [open, over], now)).toEqual({
      incident: incident(),
      commands: [],
      audits: [],
      by: 'system',
    });
  });

  it('is written down when one of them makes it graver, with the alert that did', () => {
    const worse = storedAlert({ id: 'a3', severity: 'P0' });
    expect(nextState(incident(), [open, worse], now).audits).toMatchObject([
      {
        alertId: null,
        incidentId: 'i1',
        action: 'update',
        userId: 'system',
        details: {
          severity: { from: 'P1', to: 'P0' },
          reason: expect.stringContaining('gravest'),
          gravestAlertId: 'a3',
        },
      },
    ]);
  });

  it('leaves a lower severity that a person chose, until an alert is graver than that person saw', () => {
    const chosen = incident({ severity: 'P3', overruledSeverity: 'P1' });
    expect(nextState(chosen, [open], now).commands).toEqual([]);
    const worse = storedAlert({ id: 'a3', severity: 'P0' });
    const step = nextState(chosen, [open, worse], now);
    expect(step.commands).toEqual([{ kind: 'set-severity', severity: 'P0' }]);
    expect(step.incident).toMatchObject({ severity: 'P0', overruledSeverity: null });
  });

  it('is nothing when it has none (they were never tied to it)', () => {
    expect(nextState(incident(), [], now).commands).toEqual([]);
  });

  it('is the end when the last of them is over', () => {
    const person = storedAlert({
      id: 'a1',
      status: 'resolved',
      resolvedAt: at(95),
      resolvedBy: 'ann@example.org',
    });
    const step = nextState(incident({ status: 'assigned', assignedTo: 'bob' }), [person, over], now);
    expect(step.incident).toMatchObject({
      status: 'resolved',
      resolvedAt: now,
      updatedAt: now,
      assignedTo: 'bob',
    });
    expect(step.commands).toEqual([{ kind: 'close', note: 'All alerts are resolved.' }]);
    expect(step.by).toBe('ann@example.org');
    expect(step.audits).toMatchObject([
      {
        incidentId: 'i1',
        alertId: null,
        action: 'incident_status',
        details: { from: 'assigned', to: 'resolved' },
      },
    ]);
  });

  describe('that its source ended without its condition having changed', () => {
    const ended = (id: string, stateReason: string | null, parts: Partial<StoredAlert> = {}) =>
      storedAlert({
        id,
        stateReason,
        status: 'resolved',
        resolvedAt: at(90),
        resolveReceivedAt: at(91),
        ...parts,
      });
    const noteOf = (alerts: StoredAlert[]): string => {
      const step = nextState(incident(), alerts, now);
      const [command] = step.commands;
      const note = command?.kind === 'close' ? (command.note ?? '') : '';
      const reason = String(step.audits[0]?.details['reason']);
      expect([note, reason].map((text) => text.includes('need not mean'))).not.toContain(
        !note.includes('need not mean'),
      );
      return note;
    };

    it('is an end with that reason, in the note and in the audit log', () => {
      expect(noteOf([ended('a1', 'Paused')])).toBe(
        'All alerts are resolved; its source says: Paused, which need not mean that the condition is over.',
      );
      expect(
        noteOf([ended('a1', 'Updated'), ended('a2', null), ended('a3', 'Updated'), ended('a4', 'NoData')]),
      ).toContain('its source says of 3 of 4: Updated (2), NoData,');
    });

    it('names a few reasons of many, and little of each', () => {
      const many = Array.from({ length: 300 }, (_, n) => ended(`a${n}`, `${n} ${'x'.repeat(10_000)}`));
      expect(noteOf(many)).toContain(' and 295 more');
      expect(noteOf(many).length).toBeLessThan(700);
    });

    it('is an end like any other where a person ended it, or its word ran out', () => {
      const person = ended('a1', 'NoData', { resolvedBy: 'ann@example.org' });
      expect(noteOf([person, ended('a2', 'NoData', { resolveReceivedAt: null })])).toBe(
        'All alerts are resolved.',
      );
    });
  });

  it('is the end also when the last of them went to the archive', () => {
    const archived = storedAlert({ id: 'a1', status: 'archived', archivedAt: at(99) });
    expect(nextState(incident(), [archived], now).incident.status).toBe('resolved');
  });

  it('counts as over what is archived, whatever its status says', () => {
    expect(nextState(incident(), [{ ...open, archivedAt: at(99) }], now).commands).toMatchObject([
      { kind: 'close' },
    ]);
  });

  it('raises it to the gravest that is open, and never lowers it', () => {
    const graver = storedAlert({ id: 'a3', severity: 'P0' });
    const step = nextState(incident(), [open, graver], now);
    expect(step.incident).toMatchObject({ severity: 'P0', updatedAt: now });
    expect(step.commands).toEqual([{ kind: 'set-severity', severity: 'P0' }]);
    expect(nextState(incident({ severity: 'P0' }), [open], now).commands).toEqual([]);
    expect(nextState(incident(), [open, over], now).commands).toEqual([]);
  });

  it("acknowledges it with the first of them, once, in that person's name", () => {
    const seen = storedAlert({
      id: 'a4',
      severity: 'P2',
      status: 'acknowledged',
      acknowledgedAt: at(80),
      acknowledgedBy: 'ann@example.org',
    });
    const step = nextState(incident(), [open, seen], now);
    expect(step.incident).toMatchObject({
      acknowledgedAt: at(80),
      acknowledgedBy: 'ann@example.org',
      status: 'open',
    });
    expect(step.commands).toEqual([{ kind: 'acknowledge' }]);
    expect(step.by).toBe('ann@example.org');
    expect(nextState(step.incident, [open, seen], now).commands).toEqual([]);
  });

  it('may be both at once, in a fixed order', () => {
    const both = storedAlert({
      id: 'a5',
      severity: 'P0',
      status: 'acknowledged',
      acknowledgedAt: at(80),
      acknowledgedBy: 'ann',
    });
    expect(nextState(incident(), [both], now).commands.map((command) => command.kind)).toEqual([
      'set-severity',
      'acknowledge',
    ]);
  });

  it('says nothing twice: what it leads to leads no further', () => {
    for (const alerts of [
      [open],
      [open, over],
      [storedAlert({ severity: 'P0', status: 'acknowledged', acknowledgedBy: 'x', acknowledgedAt: at(1) })],
    ]) {
      const step = nextState(incident(), alerts, now);
      expect(nextState(step.incident, alerts, at(200)).commands).toEqual([]);
    }
  });
});
