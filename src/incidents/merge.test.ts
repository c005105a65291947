import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Severity } from '../alerts/alert.ts';
import {
  type ConfirmedState,
  mergeIncident,
  type Merged,
  type OurState,
  type PendingCommand,
  type TheirState,
} from './merge.ts';

const at = (seconds: number): Date => new Date(Date.UTC(2026, 0, 1, 9, 0, seconds));
const now = at(1_000);

const ours = (parts: Partial<OurState> = {}): OurState => ({
  closed: false,
  acknowledged: false,
  owner: null,
  severity: 'P1',
  ...parts,
});
const base = (parts: Partial<ConfirmedState> = {}): ConfirmedState => ({
  closed: false,
  acknowledged: false,
  owner: null,
  severity: 'P1',
  said: {},
  ...parts,
});
const theirs = (parts: Partial<TheirState> = {}): TheirState => ({
  closed: false,
  acknowledged: false,
  owner: null,
  severity: 'P1',
  updatedAt: at(900),
  readAt: at(999),
  changes: {},
  ...parts,
});
const waits = (facet: PendingCommand['facet'], parts: Partial<PendingCommand> = {}): PendingCommand => ({
  id: `wait-${facet}`,
  facet,
  by: 'person',
  requestedBy: 'token:admin',
  sent: false,
  at: at(800),
  ...parts,
});
const person = (seconds: number | null) =>
  ({ by: 'person', at: seconds === null ? null : at(seconds) }) as const;
const merge = (
  o: OurState,
  b: ConfirmedState | null,
  t: TheirState,
  pending: PendingCommand[] = [],
): Merged => mergeIncident(o, b, t, pending, now);
const nothing = { here: [], there: [], superseded: [], unsure: [] };

describe('who wins', () => {
  it.each<
    [
      string,
      OurState,
      ConfirmedState | null,
      TheirState,
      PendingCommand[],
      Partial<Omit<Merged, 'confirmed'>>,
    ]
  >([
    ['all the same: nothing', ours(), base(), theirs(), [], {}],
    [
      'acknowledged there',
      ours(),
      base(),
      theirs({ acknowledged: true, owner: 'ada@x.org' }),
      [],
      {
        here: [
          { facet: 'acknowledged', value: true },
          { facet: 'owner', value: 'ada@x.org' },
        ],
      },
    ],
    [
      'acknowledged on both sides: agreed',
      ours({ acknowledged: true }),
      base(),
      theirs({ acknowledged: true }),
      [],
      {},
    ],
    [
      'taken back there',
      ours({ acknowledged: true }),
      base({ acknowledged: true }),
      theirs(),
      [],
      { here: [{ facet: 'acknowledged', value: false }] },
    ],
    [
      'acknowledged here, not said yet',
      ours({ acknowledged: true }),
      base(),
      theirs(),
      [waits('acknowledged')],
      {},
    ],
    [
      'acknowledged here, and said by nobody',
      ours({ acknowledged: true }),
      base(),
      theirs(),
      [],
      { there: [{ kind: 'acknowledge' }] },
    ],
    [
      'an echo of our own acknowledgement and of the owner it made',
      ours({ acknowledged: true }),
      base({
        acknowledged: true,
        said: { acknowledged: { by: 'token:admin', vendorAt: at(890), at: at(895) } },
      }),
      theirs({ acknowledged: true, owner: 'token:admin' }),
      [],
      {},
    ],
    [
      'the owner that our acknowledgement made, before it is confirmed',
      ours({ acknowledged: true }),
      base(),
      theirs({ acknowledged: true, owner: 'token:admin' }),
      [waits('acknowledged')],
      {},
    ],
    [
      'another owner while our acknowledgement is on its way',
      ours({ acknowledged: true }),
      base(),
      theirs({ acknowledged: true, owner: 'ada@x.org' }),
      [waits('acknowledged')],
      { here: [{ facet: 'owner', value: 'ada@x.org' }] },
    ],
    [
      'after our own acknowledgement another person takes over',
      ours({ acknowledged: true }),
      base({
        acknowledged: true,
        said: { acknowledged: { by: 'token:admin', vendorAt: at(890), at: at(895) } },
      }),
      theirs({ acknowledged: true, owner: 'ada@x.org' }),
      [],
      { here: [{ facet: 'owner', value: 'ada@x.org' }] },
    ],
    [
      'a state from before our confirmed acknowledgement',
      ours({ acknowledged: true }),
      base({ acknowledged: true, said: { acknowledged: { by: 'ann', vendorAt: at(950), at: at(951) } } }),
      theirs({ updatedAt: at(900) }),
      [],
      { unsure: ['acknowledged'] },
    ],
    [
      'a state that was being read while our acknowledgement was confirmed',
      ours({ acknowledged: true }),
      base({ acknowledged: true, said: { acknowledged: { by: 'ann', vendorAt: null, at: at(999) } } }),
      theirs(),
      [],
      { unsure: ['acknowledged'] },
    ],
    [
      'long after our command no state is too old',
      ours({ acknowledged: true }),
      base({ acknowledged: true, said: { acknowledged: { by: 'ann', vendorAt: at(950), at: at(850) } } }),
      theirs({ updatedAt: at(800) }),
      [],
      { here: [{ facet: 'acknowledged', value: false }] },
    ],
    [
      'closed there beats what waits here',
      ours({ acknowledged: true }),
      base(),
      theirs({ closed: 'resolved' }),
      [waits('acknowledged')],
      { here: [{ facet: 'closed', as: 'resolved' }], superseded: ['wait-acknowledged'] },
    ],
    [
      'closed on both sides',
      ours({ closed: true }),
      base(),
      theirs({ closed: 'closed' }),
      [waits('closed', { sent: true })],
      {},
    ],
    ['closed here, being said', ours({ closed: true }), base(), theirs(), [waits('closed')], {}],
    [
      'closed here, and said by nobody',
      ours({ closed: true }),
      base(),
      theirs({ acknowledged: true }),
      [],
      { there: [{ kind: 'close' }] },
    ],
    [
      'opened again there after it was closed',
      ours({ closed: true }),
      base({ closed: true }),
      theirs(),
      [],
      { there: [{ kind: 'close' }] },
    ],
    [
      'a lower priority set by a person there',
      ours(),
      base(),
      theirs({ severity: 'P3' }),
      [],
      { here: [{ facet: 'severity', value: 'P3' }] },
    ],
    [
      'graver here, and said by nobody',
      ours({ severity: 'P0' }),
      base(),
      theirs(),
      [],
      { there: [{ kind: 'set-severity', severity: 'P0' }] },
    ],
    [
      'assigned here, and said by nobody',
      ours({ owner: 'bob' }),
      base(),
      theirs(),
      [],
      { there: [{ kind: 'assign', assignee: 'bob' }] },
    ],
    [
      'a person there beats a rule here',
      ours({ severity: 'P0' }),
      base(),
      theirs({ severity: 'P3', changes: { severity: person(null) } }),
      [waits('severity', { by: 'automaton' })],
      { here: [{ facet: 'severity', value: 'P3' }], superseded: ['wait-severity'] },
    ],
    [
      'a rule there does not beat a rule here',
      ours({ severity: 'P0' }),
      base(),
      theirs({ severity: 'P3', changes: { severity: { by: 'automaton', at: at(990) } } }),
      [waits('severity', { by: 'automaton' })],
      { unsure: ['severity'] },
    ],
    [
      'a person there later than a person here',
      ours({ owner: 'bob' }),
      base(),
      theirs({ owner: 'ada@x.org', changes: { owner: person(850) } }),
      [waits('owner')],
      { here: [{ facet: 'owner', value: 'ada@x.org' }], superseded: ['wait-owner'] },
    ],
    [
      'a person there earlier than a person here',
      ours({ owner: 'bob' }),
      base(),
      theirs({ owner: 'ada@x.org', changes: { owner: person(750) } }),
      [waits('owner')],
      { unsure: ['owner'] },
    ],
    [
      'what has been handed over is not taken back',
      ours({ severity: 'P0' }),
      base(),
      theirs({ severity: 'P3' }),
      [waits('severity', { by: 'automaton', sent: true })],
      { unsure: ['severity'] },
    ],
    [
      'nobody in charge any more there',
      ours({ owner: 'bob' }),
      base({ owner: 'Bob' }),
      theirs(),
      [],
      { here: [{ facet: 'owner', value: null }] },
    ],
    [
      'nobody in charge any more here: cannot be said',
      ours(),
      base({ owner: 'bob' }),
      theirs({ owner: 'bob' }),
      [],
      {},
    ],
    [
      'owners whose names differ only in case',
      ours({ owner: 'Ada@X.org' }),
      base(),
      theirs({ owner: 'ada@x.org' }),
      [],
      {},
    ],
    [
      'what could not be read changes nothing',
      ours({ acknowledged: true, owner: 'bob' }),
      base({ acknowledged: true, owner: 'bob' }),
      theirs({ acknowledged: null, owner: undefined, severity: null }),
      [],
      {},
    ],
    [
      'never compared: an acknowledgement here was meant',
      ours({ acknowledged: true }),
      null,
      theirs(),
      [],
      { there: [{ kind: 'acknowledge' }] },
    ],
    [
      'never compared: an acknowledgement there was meant',
      ours(),
      null,
      theirs({ acknowledged: true }),
      [],
      { here: [{ facet: 'acknowledged', value: true }] },
    ],
  ])('%s', (_name, o, b, t, pending, expected) => {
    const { confirmed: _confirmed, ...answer } = merge(o, b, t, pending);
    expect(answer).toEqual({ ...nothing, ...expected });
  });
});

/** Both sides with the way between them, as far as it matters for agreeing. */
class TwoSystems {
  here: OurState = ours();
  there = { closed: false, acknowledged: false, owner: null as string | null, severity: 'P1' as Severity };
  confirmed: ConfirmedState | null = base();
  pending: (PendingCommand & { apply: () => void })[] = [];
  seconds = 0;
  everClosed = false;

  act(side: 'here' | 'there', action: Action): void {
    this.seconds += 10;
    if (side === 'there') {
      if (!this.there.closed) apply(this.there, action);
    } else if (!this.here.closed && action.kind !== 'unacknowledge') {
      if (action.kind === 'acknowledge' && this.here.acknowledged) return;
      apply(this.here, action);
      this.#say(action, action.by);
    }
    this.everClosed ||= this.there.closed || this.here.closed;
  }

  #say(action: Action, by: 'person' | 'automaton'): void {
    const facet = facetOf(action);
    this.pending.push({
      id: `c${this.seconds}-${this.pending.length}`,
      facet,
      by,
      requestedBy: 'ann',
      sent: false,
      at: at(this.seconds),
      apply: () => {
        if (!this.there.closed) apply(this.there, action);
        const said = { by: 'ann', vendorAt: at(this.seconds), at: at(this.seconds) };
        const confirmed = this.confirmed ?? base();
        this.confirmed = { ...confirmed, said: { ...confirmed.said, [facet]: said } };
        if (action.kind === 'acknowledge') this.confirmed.acknowledged = true;
        if (action.kind === 'assign') this.confirmed.owner = action.owner;
        if (action.kind === 'priority') this.confirmed.severity = action.severity;
        if (action.kind === 'close') this.confirmed.closed = true;
      },
    });
  }

  /** The outbox hands over what waits. */
  deliver(): void {
    this.seconds += 10;
    for (const command of this.pending.splice(0)) command.apply();
    this.everClosed ||= this.there.closed;
  }

  compare(): Merged {
    this.seconds += 10;
    const state: TheirState = {
      ...this.there,
      closed: this.there.closed ? 'resolved' : false,
      updatedAt: at(this.seconds),
      readAt: at(this.seconds),
      changes: {},
    };
    const result = mergeIncident(this.here, this.confirmed, state, this.pending, at(this.seconds + 1));
    this.confirmed = result.confirmed;
    this.pending = this.pending.filter((command) => !result.superseded.includes(command.id));
    for (const change of result.here) {
      if (change.facet === 'closed') this.here.closed = true;
      if (change.facet === 'acknowledged') this.here.acknowledged = change.value;
      if (change.facet === 'owner') this.here.owner = change.value;
      if (change.facet === 'severity') this.here.severity = change.value;
    }
    for (const command of result.there) {
      this.#say(
        command.kind === 'assign'
          ? { kind: 'assign', owner: command.assignee, by: 'automaton' }
          : command.kind === 'set-severity'
            ? { kind: 'priority', severity: command.severity, by: 'automaton' }
            : { kind: command.kind, by: 'automaton' },
        'automaton',
      );
    }
    return result;
  }
}

type Action = { by: 'person' | 'automaton' } & (
  | { kind: 'acknowledge' | 'unacknowledge' | 'close' }
  | { kind: 'assign'; owner: string }
  | { kind: 'priority'; severity: Severity }
);

function apply(
  state: { closed: boolean; acknowledged: boolean; owner: string | null; severity: Severity },
  action: Action,
): void {
  if (action.kind === 'acknowledge') state.acknowledged = true;
  if (action.kind === 'unacknowledge') state.acknowledged = false;
  if (action.kind === 'close') state.closed = true;
  if (action.kind === 'assign') state.owner = action.owner;
  if (action.kind === 'priority') state.severity = action.severity;
}

function facetOf(action: Action): PendingCommand['facet'] {
  if (action.kind === 'assign') return 'owner';
  if (action.kind === 'priority') return 'severity';
  return action.kind === 'close' ? 'closed' : 'acknowledged';
}

const anyBy = fc.constantFrom<Action['by']>('person', 'automaton');
const anyAction = fc.oneof(
  fc.record({ kind: fc.constantFrom('acknowledge' as const, 'unacknowledge' as const), by: anyBy }),
  fc.record({
    kind: fc.constant('assign' as const),
    owner: fc.constantFrom('ada@x.org', 'bob@x.org'),
    by: anyBy,
  }),
  fc.record({
    kind: fc.constant('priority' as const),
    severity: fc.constantFrom<Severity>('P0', 'P1', 'P2', 'P3'),
    by: anyBy,
  }),
  fc.record({ kind: fc.constant('close' as const), by: anyBy }),
);
const anyStep = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ side: fc.constantFrom('here' as const, 'there' as const), action: anyAction }),
  },
  { weight: 2, arbitrary: fc.constant('deliver' as const) },
  { weight: 3, arbitrary: fc.constant('compare' as const) },
);

describe('however both sides change', () => {
  it('they end equal, nothing closed opens again, and agreeing twice changes nothing', () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 40 }), (steps) => {
        const world = new TwoSystems();
        for (const step of steps) {
          const before = { ...world.here };
          if (step === 'deliver') world.deliver();
          else if (step === 'compare') world.compare();
          else world.act(step.side, step.action);
          if (before.closed) expect(world.here.closed).toBe(true);
        }
        for (let round = 0; round < 3; round += 1) {
          world.deliver();
          world.compare();
        }
        world.deliver();
        const last = world.compare();
        expect(last).toMatchObject(nothing);
        expect(world.pending).toEqual([]);
        expect(world.here.closed).toBe(world.there.closed);
        expect(world.here.closed).toBe(world.everClosed);
        if (!world.here.closed) expect(world.here).toEqual(world.there);
        const { confirmed } = last;
        expect(
          mergeIncident(
            world.here,
            confirmed,
            { ...theirs(), ...world.there, closed: world.there.closed ? 'resolved' : false },
            [],
            at(99_999),
          ),
        ).toMatchObject(nothing);
      }),
      { numRuns: 500 },
    );
  });

  it('merging the same state once more says nothing new', () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 20 }), (steps) => {
        const world = new TwoSystems();
        for (const step of steps) {
          if (step === 'deliver') world.deliver();
          else if (step === 'compare') world.compare();
          else world.act(step.side, step.action);
        }
        world.compare();
        expect(world.compare()).toMatchObject({ here: [], there: [], superseded: [] });
      }),
      { numRuns: 300 },
    );
  });
});
