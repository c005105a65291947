import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { at, describedSignal, knownAlert, resolvedSignal } from '../../test/support/alerts.ts';
import { type Severity, severities } from './alert.ts';
import { applySignal, judgeSignal, type KnownAlert, type SignalEffect } from './apply-signal.ts';
import type { DescribedSignal } from './describe.ts';
import { isOpen } from './lifecycle.ts';

type Fed = { kind: SignalEffect['kind']; reason: string; after: KnownAlert | undefined };

/** Judges one report and applies it, as the intake does. */
function feed(
  known: KnownAlert | undefined,
  signal: DescribedSignal,
  receivedAt: Date,
  incidentStillOpen = false,
): Fed {
  const { kind, decision } = judgeSignal(known, signal, receivedAt);
  expect(decision).toMatchObject({ stage: 'dedup', outcome: kind });
  const { reason } = decision;
  if (kind === 'ignored') return { kind, reason, after: known };
  const context = { id: known?.id ?? 'made-now', source: 'grafana' as const, receivedAt, incidentStillOpen };
  return { kind, reason, after: applySignal(known, signal, kind, context) };
}

/** Firing since 0 s (heard at 10 s), resolved at 300 s (heard at 310 s). */
const overAlert = (parts: Partial<KnownAlert> = {}): KnownAlert =>
  knownAlert({
    status: 'resolved',
    resolvedAt: at(300),
    resolveReceivedAt: at(310),
    updatedAt: at(310),
    ...parts,
  });

describe('a firing report', () => {
  it('of something new makes an alert, with what the report says', () => {
    const signal = describedSignal({
      foldKey: 'ds1',
      mute: 'heartbeat',
      traceId: 'abc',
      traceIds: ['abc'],
      expiresAt: at(400),
    });
    const { kind, after } = feed(undefined, signal, at(10));
    expect(kind).toBe('created');
    expect(after).toMatchObject({
      id: 'made-now',
      correlationId: 'made-now',
      status: 'firing',
      severity: 'P2',
      severityPinned: false,
      episode: 1,
      occurrences: 1,
      role: 'standalone',
      startsAt: at(0),
      latestStartsAt: at(0),
      expiresAt: at(400),
      receivedAt: at(10),
      lastSeenAt: at(10),
      createdAt: at(10),
      updatedAt: at(10),
      resolvedAt: null,
      resolveReceivedAt: null,
      foldKey: 'ds1',
      mute: 'heartbeat',
      traceIds: ['abc'],
    });
  });

  it('without a start counts from its arrival', () => {
    expect(feed(undefined, describedSignal({ startsAt: null }), at(10)).after).toMatchObject({
      startsAt: at(10),
      latestStartsAt: null,
    });
  });

  it('with a start still to come counts from its arrival, unless clocks may differ by that much', () => {
    const far = feed(undefined, describedSignal({ startsAt: at(71) }), at(10));
    expect(far.after).toMatchObject({ startsAt: at(10), latestStartsAt: null });
    expect(far.reason).toContain('still to come');
    const near = feed(undefined, describedSignal({ startsAt: at(70) }), at(10));
    expect(near.after).toMatchObject({ startsAt: at(70), latestStartsAt: at(70) });
    expect(near.reason).not.toContain('still to come');
    const again = feed(near.after, describedSignal({ startsAt: at(9_000) }), at(20));
    expect(again.after).toMatchObject({ startsAt: at(70), latestStartsAt: at(70) });
    const refired = feed(overAlert(), describedSignal({ startsAt: at(9_000) }), at(400));
    expect(refired.after).toMatchObject({ startsAt: at(400), episode: 2 });
    expect(refired.reason).toContain('still to come');
  });

  it('is dated by the first start that is named after a guess', () => {
    const guessed = feed(undefined, describedSignal({ startsAt: null }), at(10)).after;
    expect(feed(guessed, describedSignal({ startsAt: at(5) }), at(20)).after).toMatchObject({
      startsAt: at(5),
      latestStartsAt: at(5),
    });
  });

  it('of an open alert is counted and changes nothing people see', () => {
    const known = knownAlert();
    const { kind, after } = feed(known, describedSignal(), at(70));
    expect(kind).toBe('repeated');
    expect(after).toEqual({ ...known, occurrences: 2, lastSeenAt: at(70) });
  });

  it('brings the newest text, values and word of its sender', () => {
    const signal = describedSignal({
      annotations: { summary: 'Basket is slow', note: 'now 4 s' },
      description: 'p99 is 4 s',
      values: { A: 4 },
      expiresAt: at(500),
      links: [{ rel: 'runbook', url: 'https://wiki.example.org/basket' }],
      labels: { alertname: 'BasketLatency', pod: 'basket-1' },
      namespace: 'shop-eu',
    });
    const { kind, after } = feed(knownAlert(), signal, at(70));
    expect(kind).toBe('repeated');
    const { annotations, description, values, expiresAt, links, labels, namespace } = signal;
    expect(after).toMatchObject({ annotations, description, values, expiresAt, links, labels, namespace });
  });

  describe('with an end to come', () => {
    const until = (second: number | null, expiryGuessed = false): Partial<DescribedSignal> => ({
      expiresAt: second === null ? null : at(second),
      expiryGuessed,
    });
    it.each([
      ['said later: the later', until(400), until(500), until(500)],
      ['said sooner: the later', until(3_600), until(75), until(3_600)],
      ['guessed sooner: the one that was said', until(3_600), until(370, true), until(3_600)],
      ['guessed later: the guess', until(100), until(370, true), until(370, true)],
      ['said sooner than a guess: the one that was said', until(370, true), until(80), until(80)],
      ['guessed again: the newer guess', until(370, true), until(365, true), until(365, true)],
      ['not said at all: never', until(400), until(null), until(null)],
      ['said where there was none: that', until(null), until(400), until(400)],
    ])('%s', (_name, first, second, expected) => {
      const known = feed(undefined, describedSignal(first), at(10)).after;
      const { kind, after } = feed(known, describedSignal(second), at(70));
      expect(kind).toBe('repeated');
      expect(after).toMatchObject(expected);
    });

    it('resolves at once by an end that has passed, and begins anew when it fires again', () => {
      const known = feed(undefined, describedSignal(until(3_600)), at(10)).after;
      const over = feed(known, resolvedSignal({ endsAt: at(65) }), at(70));
      expect(over.kind).toBe('resolved');
      const again = feed(over.after, describedSignal({ startsAt: at(200), ...until(500, true) }), at(200));
      expect(again.after).toMatchObject(until(500, true));
    });
  });

  it('keeps the trace ids of before when it names none', () => {
    const known = knownAlert({ traceId: 'abc', traceIds: ['abc', 'def'] });
    expect(feed(known, describedSignal(), at(70)).after).toMatchObject({
      traceId: 'abc',
      traceIds: ['abc', 'def'],
    });
    const other = describedSignal({ traceId: '123', traceIds: ['123'] });
    expect(feed(known, other, at(70)).after).toMatchObject({ traceId: '123', traceIds: ['123'] });
  });

  it('with a newer start and no resolve between stays one episode', () => {
    const { kind, after } = feed(knownAlert(), describedSignal({ startsAt: at(200) }), at(210));
    expect(kind).toBe('repeated');
    expect(after).toMatchObject({ episode: 1, startsAt: at(0), latestStartsAt: at(200) });
  });

  it('may move the start back, never forward', () => {
    const known = knownAlert({ startsAt: at(-100), latestStartsAt: at(-100) });
    const back = feed(known, describedSignal({ startsAt: at(-500) }), at(20)).after;
    expect(back).toMatchObject({ startsAt: at(-500), latestStartsAt: at(-100) });
    expect(feed(back, describedSignal({ startsAt: null }), at(30)).after).toMatchObject({
      startsAt: at(-500),
      latestStartsAt: at(-100),
    });
  });

  it('that arrives out of order does not turn "last seen" back', () => {
    expect(feed(knownAlert({ lastSeenAt: at(100) }), describedSignal(), at(50)).after?.lastSeenAt).toEqual(
      at(100),
    );
  });

  it.each([
    ['severity', { severity: 'P1' as const }],
    ['title', { title: 'Basket is very slow' }],
  ])('with another %s is told', (what, parts) => {
    const { kind, reason, after } = feed(knownAlert(), describedSignal(parts), at(70));
    expect(kind).toBe('changed');
    expect(reason).toContain(what);
    expect(after).toMatchObject({ ...parts, updatedAt: at(70), episode: 1 });
  });

  it('that makes an alert worth telling, or no longer so, is told', () => {
    const silent = knownAlert({ mute: 'severity-none', severity: 'P4' });
    const { kind, after } = feed(silent, describedSignal({ severity: 'P4', mute: null }), at(70));
    expect(kind).toBe('changed');
    expect(after).toMatchObject({ mute: null, updatedAt: at(70) });
    const told = knownAlert({ severity: 'P4' });
    expect(feed(told, describedSignal({ severity: 'P4', mute: 'severity-none' }), at(70)).kind).toBe(
      'changed',
    );
  });

  it('of an alert that had gone silent takes the mark away, and is told', () => {
    const known = knownAlert({ staleAt: at(40_000) });
    const { kind, reason, after } = feed(known, describedSignal(), at(50_000));
    expect(kind).toBe('changed');
    expect(reason).toContain(known.lastSeenAt.toISOString());
    expect(after).toMatchObject({ staleAt: null, updatedAt: at(50_000), status: 'firing' });
    expect(feed(after, describedSignal(), at(50_010)).kind).toBe('repeated');
    expect(feed(known, resolvedSignal(), at(50_000)).after).toMatchObject({
      status: 'resolved',
      staleAt: null,
    });
  });

  it('neither raises nor lowers a severity that a person chose', () => {
    const pinned = knownAlert({ severity: 'P1', severityPinned: true, status: 'escalated' });
    for (const severity of severities) {
      const { kind, after } = feed(pinned, describedSignal({ severity }), at(70));
      expect(kind).toBe('repeated');
      expect(after).toMatchObject({ severity: 'P1', severityPinned: true, status: 'escalated' });
    }
  });

  it('leaves an acknowledged alert acknowledged, by the same person, also when it changes', () => {
    const seen = {
      status: 'acknowledged',
      acknowledgedAt: at(40),
      acknowledgedBy: 'ann@example.org',
    } as const;
    for (const signal of [
      describedSignal(),
      describedSignal({ severity: 'P0', title: 'Worse', startsAt: at(60) }),
    ]) {
      expect(feed(knownAlert(seen), signal, at(70)).after).toMatchObject(seen);
    }
  });

  it('of twins with different starts counts as one alert', () => {
    const first = feed(undefined, describedSignal({ startsAt: at(0) }), at(10)).after;
    const second = feed(first, describedSignal({ startsAt: at(14) }), at(24));
    const third = feed(second.after, describedSignal({ startsAt: at(0) }), at(70));
    expect([second.kind, third.kind]).toEqual(['repeated', 'repeated']);
    expect(third.after).toMatchObject({
      episode: 1,
      occurrences: 3,
      startsAt: at(0),
      latestStartsAt: at(14),
    });
    // One twin sees the end a moment before the other: the alert ends once.
    const end = feed(third.after, resolvedSignal({ startsAt: at(0), endsAt: at(300) }), at(310));
    expect(end.kind).toBe('resolved');
    expect(feed(end.after, resolvedSignal({ startsAt: at(14), endsAt: at(301) }), at(325)).kind).toBe(
      'ignored',
    );
    // And the slower twin's last firing report comes after it.
    expect(feed(end.after, describedSignal({ startsAt: at(14) }), at(325)).kind).toBe('ignored');
  });
});

describe('a firing report after the resolve', () => {
  const cases: [string, Partial<DescribedSignal>, heardAt: number, SignalEffect['kind']][] = [
    ['with the same start, at once', {}, 310, 'ignored'],
    ['with the same start, just within the minute', {}, 369.999, 'ignored'],
    ['with the same start, a minute after', {}, 370, 'refired'],
    ['with the same start, 61 s after', {}, 371, 'refired'],
    ['with an older start, within the minute', { startsAt: at(-50) }, 320, 'ignored'],
    ['with an older start, later', { startsAt: at(-50) }, 400, 'refired'],
    ['with a newer start, at once', { startsAt: at(305) }, 311, 'refired'],
    ['without a start, at once', { startsAt: null }, 311, 'refired'],
    ['that was received before the resolve but judged after it', {}, 305, 'ignored'],
    ['with the same start, days after', {}, 200_000, 'refired'],
  ];

  it.each(cases)('%s', (_name, parts, heardAt, kind) => {
    expect(feed(overAlert(), describedSignal(parts), at(heardAt)).kind).toBe(kind);
  });

  it('takes the newest start of the episode, not the first, as what may overtake', () => {
    const flapped = overAlert({ latestStartsAt: at(200) });
    expect(feed(flapped, describedSignal({ startsAt: at(200) }), at(320)).kind).toBe('ignored');
    expect(feed(flapped, describedSignal({ startsAt: at(201) }), at(320)).kind).toBe('refired');
  });

  it('changes nothing at all when it overtook', () => {
    const known = overAlert();
    expect(feed(known, describedSignal({ title: 'Other', severity: 'P0' }), at(330)).after).toBe(known);
  });

  it('that refires begins a new episode of the same row, as if nobody had touched it', () => {
    const known = overAlert({
      severity: 'P0',
      severityPinned: true,
      acknowledgedAt: at(50),
      acknowledgedBy: 'ann@example.org',
      resolvedBy: 'bob@example.org',
      assignedTo: 'ann@example.org',
      occurrences: 7,
      incidentId: 'incident-1',
    });
    const { kind, reason, after } = feed(known, describedSignal({ startsAt: at(900) }), at(910));
    expect(kind).toBe('refired');
    expect(reason).toContain('episode 2');
    expect(after).toMatchObject({
      id: known.id,
      createdAt: known.createdAt,
      correlationId: known.correlationId,
      status: 'firing',
      severity: 'P2',
      severityPinned: false,
      episode: 2,
      occurrences: 8,
      startsAt: at(900),
      latestStartsAt: at(900),
      receivedAt: at(910),
      updatedAt: at(910),
      acknowledgedAt: null,
      acknowledgedBy: null,
      resolvedAt: null,
      resolvedBy: null,
      resolveReceivedAt: null,
      incidentId: null,
    });
  });

  it('goes back under its incident only while that is open', () => {
    const known = overAlert({ incidentId: 'incident-1' });
    const again = describedSignal({ startsAt: at(900) });
    expect(feed(known, again, at(910), true).after?.incidentId).toBe('incident-1');
    expect(feed(known, again, at(910), false).after?.incidentId).toBeNull();
  });

  it('reopens at once what no report had ended', () => {
    // Its sender's word ran out, or the like: nothing was overtaken.
    const expired = overAlert({ resolveReceivedAt: null });
    expect(feed(expired, describedSignal(), at(311)).kind).toBe('refired');
  });
});

describe('a resolved report', () => {
  it('of an open alert ends it, when the source says', () => {
    const { kind, after } = feed(knownAlert({ expiresAt: at(900) }), resolvedSignal(), at(310));
    expect(kind).toBe('resolved');
    expect(after).toMatchObject({
      status: 'resolved',
      resolvedAt: at(300),
      resolveReceivedAt: at(310),
      resolvedBy: null,
      expiresAt: null,
      updatedAt: at(310),
      receivedAt: at(310),
      lastSeenAt: at(310),
      occurrences: 1,
      episode: 1,
    });
  });

  it.each(['acknowledged', 'escalated'] as const)('ends an %s alert, too', (status) => {
    expect(feed(knownAlert({ status }), resolvedSignal(), at(310)).after?.status).toBe('resolved');
  });

  it('without a usable end ends it when it arrives', () => {
    expect(feed(knownAlert(), resolvedSignal({ endsAt: null }), at(310)).after?.resolvedAt).toEqual(at(310));
  });

  it('without any time ends it', () => {
    const { kind } = feed(knownAlert(), resolvedSignal({ endsAt: null, startsAt: null }), at(310));
    expect(kind).toBe('resolved');
  });

  it('brings its annotations, and takes none away when it has none', () => {
    const known = knownAlert();
    expect(feed(known, resolvedSignal({ annotations: {} }), at(310)).after?.annotations).toEqual(
      known.annotations,
    );
    const annotations = { grafana_state_reason: 'Updated' };
    expect(feed(known, resolvedSignal({ annotations }), at(310)).after?.annotations).toEqual(annotations);
  });

  it('cannot end it in the future', () => {
    expect(feed(knownAlert(), resolvedSignal({ endsAt: at(9_000) }), at(310)).after?.resolvedAt).toEqual(
      at(310),
    );
  });

  it('of something never seen firing opens nothing', () => {
    const { kind, reason, after } = feed(undefined, resolvedSignal(), at(310));
    expect([kind, after]).toEqual(['ignored', undefined]);
    expect(reason).toContain('never seen firing');
  });

  it('of a resolved alert changes nothing', () => {
    const known = overAlert();
    const { kind, after } = feed(known, resolvedSignal({ endsAt: at(350) }), at(360));
    expect(kind).toBe('ignored');
    expect(after).toBe(known);
  });

  const late: [string, Partial<DescribedSignal>, SignalEffect['kind']][] = [
    ['that ended before the present episode began is late', { startsAt: at(0), endsAt: at(299) }, 'ignored'],
    ['that ended as the present episode began ends it', { startsAt: at(0), endsAt: at(300) }, 'resolved'],
    [
      'that ended after the present episode began ends it, whatever start it names',
      { startsAt: at(0), endsAt: at(301) },
      'resolved',
    ],
    ['without a usable end, of an earlier start, is late', { startsAt: at(0), endsAt: null }, 'ignored'],
    ['without a usable end, of this start, ends it', { startsAt: at(300), endsAt: null }, 'resolved'],
    ['without a usable end, of a later start, ends it', { startsAt: at(301), endsAt: null }, 'resolved'],
  ];

  it.each(late)('%s', (_name, parts, kind) => {
    const refired = knownAlert({ episode: 2, startsAt: at(300), latestStartsAt: at(300) });
    expect(feed(refired, resolvedSignal(parts), at(400)).kind).toBe(kind);
  });

  it.each([
    ['no start', null],
    ['a start that is still to come', at(9_000)],
  ])('ends an alert that came with %s, whatever the clock of its sender says', (_name, startsAt) => {
    const guessed = feed(undefined, describedSignal({ startsAt }), at(10)).after;
    const { kind, after } = feed(guessed, resolvedSignal({ startsAt, endsAt: at(5) }), at(11));
    expect(kind).toBe('resolved');
    expect(after?.resolvedAt).toEqual(at(5));
    // As the same sender goes on.
    const again = feed(after, describedSignal({ startsAt }), at(20));
    expect(again.kind).toBe('refired');
    expect(feed(again.after, resolvedSignal({ startsAt, endsAt: at(15) }), at(21)).kind).toBe('resolved');
  });

  it('that comes once more ends no later episode, also when nobody named its start', () => {
    const unnamed = describedSignal({ startsAt: null });
    const end = resolvedSignal({ startsAt: null, endsAt: at(95) });
    const over = feed(feed(undefined, unnamed, at(10)).after, end, at(100)).after;
    const again = feed(over, unnamed, at(101)).after;
    expect(feed(again, end, at(102)).kind).toBe('ignored');
    expect(feed(again, resolvedSignal({ startsAt: null, endsAt: at(95.001) }), at(102)).kind).toBe(
      'resolved',
    );
  });

  it.each([
    ['a person ended it', { resolvedAt: at(310), resolvedBy: 'ann' }],
    ['its source said no end', { resolvedAt: at(310) }],
    ['its word ran out', { resolvedAt: at(300), resolveReceivedAt: null }],
  ])('of a later episode is not measured by our clock where %s', (_name, parts) => {
    const again = feed(overAlert(parts), describedSignal({ startsAt: null }), at(311)).after;
    expect(again?.latestStartsAt).toBeNull();
    expect(feed(again, resolvedSignal({ startsAt: null, endsAt: at(306) }), at(312)).kind).toBe('resolved');
  });

  it('that is late also when the newer start came without a resolve between', () => {
    const flapped = feed(knownAlert(), describedSignal({ startsAt: at(200) }), at(210)).after;
    expect(feed(flapped, resolvedSignal({ startsAt: at(0), endsAt: at(150) }), at(220)).kind).toBe('ignored');
    expect(feed(flapped, resolvedSignal({ startsAt: at(200), endsAt: at(250) }), at(260)).kind).toBe(
      'resolved',
    );
  });

  it('says why its source ended it when the condition need not have changed', () => {
    const signal = resolvedSignal({ stateReason: 'RuleDeleted' });
    const { kind, reason, after } = feed(knownAlert(), signal, at(310));
    expect(kind).toBe('resolved');
    expect(reason).toContain('RuleDeleted');
    expect(after?.stateReason).toBe('RuleDeleted');
  });
});

/** What senders really do: some report of some episode, at most seconds or minutes after the one before. */
type Step = { signal: DescribedSignal; waitSeconds: number; incidentStillOpen: boolean };

const steps = fc.array(
  fc
    .record({
      firing: fc.boolean(),
      startsAt: fc.option(fc.integer({ min: -300, max: 900 })),
      endsAt: fc.option(fc.integer({ min: -300, max: 1_200 })),
      severity: fc.constantFrom<Severity>('P1', 'P2', 'P3'),
      title: fc.constantFrom('A', 'B'),
      waitSeconds: fc.constantFrom(0, 0.001, 1, 30, 59.999, 60, 61, 600),
      incidentStillOpen: fc.boolean(),
    })
    .map(({ firing, startsAt, endsAt, severity, title, waitSeconds, incidentStillOpen }): Step => ({
      waitSeconds,
      incidentStillOpen,
      signal: describedSignal({
        status: firing ? 'firing' : 'resolved',
        startsAt: startsAt === null ? null : at(startsAt),
        endsAt: firing || endsAt === null ? null : at(endsAt),
        severity,
        title,
      }),
    })),
  { maxLength: 40 },
);

/** A person steps in now and then. */
function touched(
  known: KnownAlert | undefined,
  by: 'nobody' | 'acknowledge' | 'pin',
  now: Date,
): KnownAlert | undefined {
  if (known === undefined || !isOpen(known.status) || by === 'nobody') return known;
  if (by === 'acknowledge')
    return { ...known, status: 'acknowledged', acknowledgedAt: now, acknowledgedBy: 'ann' };
  return { ...known, status: 'escalated', severity: 'P0', severityPinned: true };
}

describe('any stream of reports', () => {
  it('keeps the alert sound at every step', () => {
    fc.assert(
      fc.property(
        steps,
        fc.infiniteStream(fc.constantFrom('nobody', 'nobody', 'acknowledge', 'pin')),
        (stream, people) => {
          let known: KnownAlert | undefined;
          let now = 10;
          for (const { signal, waitSeconds, incidentStillOpen } of stream) {
            now += waitSeconds;
            const before = touched(known, people.next().value ?? 'nobody', at(now));
            const { kind, after } = feed(before, signal, at(now), incidentStillOpen);
            known = after;
            if (after === undefined) {
              expect([kind, before]).toEqual(['ignored', undefined]);
              continue;
            }
            // Resolved in every respect, or in none.
            const over = after.status === 'resolved';
            expect([after.resolvedAt !== null, after.resolveReceivedAt !== null]).toEqual([over, over]);
            if (over) expect(after.expiresAt).toBeNull();
            expect(isOpen(after.status) || over).toBe(true);
            // However far ahead the sender's clock is.
            expect(after.startsAt.getTime()).toBeLessThanOrEqual(at(now + 60).getTime());
            if (before === undefined) continue;
            expect([after.id, after.createdAt]).toEqual([before.id, before.createdAt]);
            expect(after.episode - before.episode).toBe(kind === 'refired' ? 1 : 0);
            expect(after.lastSeenAt.getTime()).toBeGreaterThanOrEqual(before.lastSeenAt.getTime());
            expect(after.occurrences - before.occurrences).toBe(
              kind === 'ignored' || kind === 'resolved' ? 0 : 1,
            );
            if (kind === 'ignored') expect(after).toBe(before);
            // What a person did stays until the episode ends.
            if (kind === 'repeated' || kind === 'changed') {
              expect(after.status).toBe(before.status);
              expect(after.acknowledgedBy).toBe(before.acknowledgedBy);
              if (before.severityPinned)
                expect([after.severity, after.severityPinned]).toEqual([before.severity, true]);
              expect(after.incidentId).toBe(before.incidentId);
            }
          }
        },
      ),
    );
  });

  it('comes to the same when every report arrives twice, but for the counting', () => {
    fc.assert(
      fc.property(steps, (stream) => {
        let once: KnownAlert | undefined;
        let twice: KnownAlert | undefined;
        let now = 10;
        for (const { signal, waitSeconds, incidentStillOpen } of stream) {
          now += waitSeconds;
          once = feed(once, signal, at(now), incidentStillOpen).after;
          twice = feed(twice, signal, at(now), incidentStillOpen).after;
          const again = feed(twice, signal, at(now), incidentStillOpen);
          expect(again.kind).toBeOneOf(['repeated', 'ignored']);
          twice = again.after;
          expect(twice === undefined ? undefined : { ...twice, occurrences: 0 }).toEqual(
            once === undefined ? undefined : { ...once, occurrences: 0 },
          );
        }
      }),
    );
  });

  it('ends as the truth does when old reports come in between, as long as none is a minute late', () => {
    const phase = fc.record({
      firingS: fc.integer({ min: 60, max: 600 }),
      quietS: fc.integer({ min: 3, max: 55 }),
    });
    const history = fc.record({
      phases: fc.array(phase, { minLength: 1, maxLength: 5 }),
      stillFiring: fc.boolean(),
      late: fc.infiniteStream(fc.nat()),
    });
    fc.assert(
      fc.property(history, ({ phases, stillFiring, late }) => {
        let known: KnownAlert | undefined;
        const sent: DescribedSignal[] = [];
        const hear = (signal: DescribedSignal, second: number): void => {
          known = feed(known, signal, at(second)).after;
          sent.push(signal);
          const old = sent[(late.next().value ?? 0) % sent.length];
          if (old !== undefined) known = feed(known, old, at(second + 1)).after;
        };
        let second = 0;
        phases.forEach(({ firingS, quietS }, position) => {
          const startsAt = at(second);
          hear(describedSignal({ startsAt }), second);
          second += firingS;
          const last = position === phases.length - 1;
          if (last && stillFiring) return;
          hear(resolvedSignal({ startsAt, endsAt: at(second) }), second);
          second += quietS;
        });
        expect(known?.status).toBe(stillFiring ? 'firing' : 'resolved');
        expect(known?.episode).toBe(phases.length);
      }),
    );
  });
});
