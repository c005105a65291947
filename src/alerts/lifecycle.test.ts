import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Severity, type Status, openStatuses, severities, statuses } from './alert.ts';
import {
  escalation,
  isGraver,
  isOpen,
  lifecycle,
  type LifecycleEvent,
  oneLevelUp,
  transition,
} from './lifecycle.ts';

const events = Object.keys(lifecycle) as LifecycleEvent[];

/** What each event does in each status, written down once more: `=` is "already", `x` is forbidden. */
const expected: Record<
  LifecycleEvent,
  [firing: string, acknowledged: string, escalated: string, resolved: string, archived: string]
> = {
  fire: ['=', '=', '=', 'firing', 'x'],
  acknowledge: ['acknowledged', '=', 'acknowledged', 'x', 'x'],
  unacknowledge: ['=', 'firing', '=', 'x', 'x'],
  escalate: ['escalated', 'escalated', 'escalated', 'x', 'x'],
  resolve: ['resolved', 'resolved', 'resolved', '=', '='],
  archive: ['x', 'x', 'x', 'archived', '='],
  assign: ['firing', 'acknowledged', 'escalated', 'x', 'x'],
  note: ['firing', 'acknowledged', 'escalated', 'resolved', 'x'],
};

describe('the lifecycle table', () => {
  const cells = events.flatMap((event) =>
    statuses.map((status, place) => [event, status, expected[event][place] ?? ''] as const),
  );

  it.each(cells)('%s on %s: %s', (event, status, then) => {
    const step = transition(status, event);
    if (then === '=') expect(step).toEqual({ kind: 'already' });
    else if (then === 'x')
      expect(step).toMatchObject({
        kind: 'forbidden',
        reason: expect.stringMatching(/^the alert is .{10,}/),
      });
    else expect(step).toEqual({ kind: 'changed', status: then });
  });

  it('covers every event and every status', () => {
    expect(cells).toHaveLength(8 * 5);
    expect(Object.keys(expected).toSorted()).toEqual(events.toSorted());
  });

  it('is open in exactly the statuses that say so', () => {
    expect(statuses.filter(isOpen)).toEqual([...openStatuses]);
  });

  it('never leaves the archive, and leaves "resolved" only by firing or into the archive', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...statuses),
        fc.array(fc.constantFrom(...events), { maxLength: 30 }),
        (start, sequence) => {
          let status: Status = start;
          for (const event of sequence) {
            const step = transition(status, event);
            if (step.kind !== 'changed') continue;
            expect(statuses).toContain(step.status);
            if (status === 'archived') expect.fail('an archived alert changed');
            if (status === 'resolved' && step.status !== 'resolved') {
              expect([event, step.status]).toBeOneOf([
                ['fire', 'firing'],
                ['archive', 'archived'],
              ]);
            }
            // Only a resolve ends it, so nothing gets archived that was open a moment before.
            if (step.status === 'archived') expect(status).toBe('resolved');
            status = step.status;
          }
        },
      ),
    );
  });

  it('has nothing left to do when a state-setting event is repeated', () => {
    for (const event of ['fire', 'acknowledge', 'resolve', 'archive'] as const) {
      for (const status of statuses) {
        const first = transition(status, event);
        if (first.kind === 'changed') expect(transition(first.status, event)).toEqual({ kind: 'already' });
      }
    }
  });
});

describe('severities', () => {
  it('are in the order of gravity', () => {
    expect(severities.map(oneLevelUp)).toEqual(['P0', 'P0', 'P1', 'P2', 'P3']);
    expect(isGraver('P0', 'P1')).toBe(true);
    expect(isGraver('P1', 'P1')).toBe(false);
    expect(isGraver('P3', 'P2')).toBe(false);
  });
});

describe('an escalation', () => {
  const rules: [
    string,
    { status: Status; severity: Severity },
    Severity | undefined,
    ReturnType<typeof escalation>['kind'],
    Severity?,
  ][] = [
    ['goes one level up without a wish', { status: 'firing', severity: 'P3' }, undefined, 'changed', 'P2'],
    [
      'of an acknowledged alert takes it back to work',
      { status: 'acknowledged', severity: 'P2' },
      undefined,
      'changed',
      'P1',
    ],
    ['can be made again', { status: 'escalated', severity: 'P2' }, undefined, 'changed', 'P1'],
    ['goes straight to the wish', { status: 'firing', severity: 'P4' }, 'P0', 'changed', 'P0'],
    ['at P0 still raises the status', { status: 'firing', severity: 'P0' }, undefined, 'changed', 'P0'],
    ['at P0 by wish, too', { status: 'acknowledged', severity: 'P0' }, 'P0', 'changed', 'P0'],
    ['at P0 and escalated has nothing to do', { status: 'escalated', severity: 'P0' }, undefined, 'already'],
    ['to where it is already has nothing to do', { status: 'escalated', severity: 'P2' }, 'P2', 'already'],
    ['cannot lower', { status: 'firing', severity: 'P1' }, 'P2', 'forbidden'],
    ['cannot lower an escalated one', { status: 'escalated', severity: 'P0' }, 'P1', 'forbidden'],
    ['of a resolved alert is forbidden', { status: 'resolved', severity: 'P3' }, 'P1', 'forbidden'],
    ['of an archived alert is forbidden', { status: 'archived', severity: 'P3' }, undefined, 'forbidden'],
  ];

  it.each(rules)('%s', (_name, alert, wished, kind, severity) => {
    const step = escalation(alert, wished);
    expect(step.kind).toBe(kind);
    if (kind === 'changed') expect(step).toEqual({ kind, status: 'escalated', severity });
    else expect(step.severity).toBeUndefined();
  });

  it('never lowers the severity, whatever is asked for, and ends at P0', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...severities),
        fc.array(fc.option(fc.constantFrom(...severities), { nil: undefined }), { maxLength: 12 }),
        (start, wishes) => {
          let alert: { status: Status; severity: Severity } = { status: 'firing', severity: start };
          for (const wish of wishes) {
            const step = escalation(alert, wish);
            if (step.kind !== 'changed') continue;
            const severity = step.severity ?? alert.severity;
            expect(isGraver(alert.severity, severity)).toBe(false);
            alert = { status: step.status, severity };
          }
          for (let times = 0; times < 6; times += 1) {
            const step = escalation(alert, undefined);
            if (step.kind === 'changed')
              alert = { status: step.status, severity: step.severity ?? alert.severity };
          }
          expect(alert).toEqual({ status: 'escalated', severity: 'P0' });
        },
      ),
    );
  });
});
