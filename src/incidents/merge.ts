import type { Severity } from '../alerts/alert.ts';

/**
 * Who wins when an incident says one thing here and another at the provider. Pure.
 *
 * The state both sides agreed on last (`ConfirmedState`) is the common ancestor:
 * whatever differs from it was changed on that side. The rules, in their order:
 *
 * 1. Closed beats everything, on both sides, and nothing closed opens again.
 * 2. What equals ours is agreed on.
 * 3. A state that may be older than a command of ours that was confirmed says
 *    nothing about what that command set.
 * 4. What we still have to say, or have said and not heard of, stays ours: unless
 *    a person changed it there after we wished for it, or a rule wished for it
 *    here and a person decided otherwise there.
 * 5. A change there is taken over: it is confirmed, ours is not.
 * 6. What differs and was not changed there is said there.
 *
 * docs/opsgenie.md has it as a table.
 */
export type Facet = 'closed' | 'acknowledged' | 'owner' | 'severity';

export type OurState = {
  closed: boolean;
  acknowledged: boolean;
  owner: string | null;
  severity: Severity;
};

/** A command of ours that the provider confirmed: who wished for it, and when it was done by the vendor's clock and by ours. */
export type Said = { by: string; vendorAt: Date | null; at: Date };

/** What both sides agreed on last. `severity` is null while the vendor's priority is none of ours. */
export type ConfirmedState = {
  closed: boolean;
  acknowledged: boolean;
  owner: string | null;
  severity: Severity | null;
  said: Partial<Record<Facet, Said>>;
};

/** Who changed something there, and when, as far as the vendor's events say so. */
export type ChangedThere = { by: 'person' | 'automaton'; at: Date | null };

export type TheirState = {
  closed: false | 'resolved' | 'closed';
  /** Null: could not be read. */
  acknowledged: boolean | null;
  /** Undefined: could not be read. Null: nobody. */
  owner: string | null | undefined;
  severity: Severity | null;
  /** By the vendor's clock. */
  updatedAt: Date | null;
  /** When reading began, by ours. */
  readAt: Date;
  changes: Partial<Record<Facet, ChangedThere>>;
};

/** A command that is not done yet. */
export type PendingCommand = {
  id: string;
  facet: Facet;
  by: 'person' | 'automaton';
  /** As the vendor is told. */
  requestedBy: string;
  /** It may have reached the vendor: it cannot be taken back any more. */
  sent: boolean;
  at: Date;
};

export type HereChange =
  | { facet: 'closed'; as: 'resolved' | 'closed' }
  | { facet: 'acknowledged'; value: boolean }
  | { facet: 'owner'; value: string | null }
  | { facet: 'severity'; value: Severity };

export type ThereCommand =
  | { kind: 'close' }
  | { kind: 'acknowledge' }
  | { kind: 'assign'; assignee: string }
  | { kind: 'set-severity'; severity: Severity };

export type Merged = {
  here: HereChange[];
  there: ThereCommand[];
  /** Ids of commands that are not to be said any more. */
  superseded: string[];
  confirmed: ConfirmedState;
  /** What could not be judged yet, because the state may be older than our last word or that is still on its way: worth another look. */
  unsure: Facet[];
};

/** A vendor's reads may lag behind what it confirmed, but not for ever. */
const laggingForMs = 120_000;

/** @param confirmed null for an incident that was never compared. */
export function mergeIncident(
  ours: OurState,
  confirmed: ConfirmedState | null,
  theirs: TheirState,
  pending: PendingCommand[],
  now: Date,
): Merged {
  const base: ConfirmedState = confirmed ?? {
    closed: false,
    acknowledged: false,
    owner: null,
    severity: null,
    said: {},
  };
  const merged: Merged = { here: [], there: [], superseded: [], confirmed: { ...base }, unsure: [] };
  if (theirs.closed !== false) {
    if (!ours.closed) merged.here.push({ facet: 'closed', as: theirs.closed });
    merged.confirmed.closed = true;
    merged.superseded = pending.filter((command) => !command.sent).map((command) => command.id);
    return merged;
  }
  if (ours.closed) {
    if (mayBeOlder(base.said.closed, theirs, now)) merged.unsure.push('closed');
    else {
      merged.confirmed.closed = false;
      if (!pending.some((command) => command.facet === 'closed')) merged.there.push({ kind: 'close' });
    }
    return merged;
  }
  const facts = { ours, base: confirmed, theirs, pending, now };
  mergeAcknowledged(facts, merged);
  mergeOwner(facts, merged);
  mergeSeverity(facts, merged);
  return merged;
}

type Facts = {
  ours: OurState;
  base: ConfirmedState | null;
  theirs: TheirState;
  pending: PendingCommand[];
  now: Date;
};

function mergeAcknowledged({ ours, base, theirs, pending, now }: Facts, merged: Merged): void {
  const there = theirs.acknowledged;
  if (there === null) return;
  // Nobody ever compared: an acknowledgement on either side was meant.
  const changed = base === null ? there : there !== base.acknowledged;
  const verdict = judge('acknowledged', there === ours.acknowledged, changed, base, theirs, pending, now);
  if (isOpenQuestion(verdict)) merged.unsure.push('acknowledged');
  if (verdict.kind === 'ours-waits' || verdict.kind === 'unsure') return;
  merged.confirmed.acknowledged = there;
  if (verdict.kind === 'agreed') return;
  merged.superseded.push(...verdict.superseded);
  // An acknowledgement cannot be taken back from here, so a difference of that kind is theirs to decide.
  if (verdict.kind === 'theirs' || there) merged.here.push({ facet: 'acknowledged', value: there });
  else merged.there.push({ kind: 'acknowledge' });
}

function mergeOwner({ ours, base, theirs, pending, now }: Facts, merged: Merged): void {
  const there = theirs.owner;
  if (there === undefined) return;
  const came = base !== null && base.owner === null && cameWithOurAcknowledge(there, base, theirs, pending);
  const before = came ? there : base?.owner;
  const changed = base === null ? there !== null : !sameOwner(there, before ?? null);
  const verdict = judge('owner', sameOwner(there, ours.owner), changed, base, theirs, pending, now);
  if (isOpenQuestion(verdict)) merged.unsure.push('owner');
  if (verdict.kind === 'ours-waits' || verdict.kind === 'unsure') return;
  merged.confirmed.owner = there;
  if (verdict.kind === 'agreed') return;
  merged.superseded.push(...verdict.superseded);
  if (verdict.kind === 'theirs') merged.here.push({ facet: 'owner', value: there });
  // Nobody in charge is nothing that can be said there.
  else if (ours.owner !== null) merged.there.push({ kind: 'assign', assignee: ours.owner });
}

/**
 * Acknowledging makes an owner of whoever is named as the one who did it: the
 * person whose click we passed on, or the integration. That is our own echo.
 */
function cameWithOurAcknowledge(
  there: string | null,
  base: ConfirmedState,
  theirs: TheirState,
  pending: PendingCommand[],
): boolean {
  if (there === null || theirs.changes.owner !== undefined) return false;
  // The vendor may have done already what it has not confirmed yet.
  const onTheirWay = pending.filter((command) => command.facet === 'acknowledged');
  const said = [base.said.acknowledged?.by, ...onTheirWay.map((command) => command.requestedBy)].filter(
    (by) => by !== undefined,
  );
  if (said.length === 0) return false;
  return said.some((by) => sameOwner(there, by)) || !there.includes('@');
}

function mergeSeverity({ ours, base, theirs, pending, now }: Facts, merged: Merged): void {
  const there = theirs.severity;
  if (there === null) return;
  const changed = there !== (base?.severity ?? null);
  const verdict = judge('severity', there === ours.severity, changed, base, theirs, pending, now);
  if (isOpenQuestion(verdict)) merged.unsure.push('severity');
  if (verdict.kind === 'ours-waits' || verdict.kind === 'unsure') return;
  merged.confirmed.severity = there;
  if (verdict.kind === 'agreed') return;
  merged.superseded.push(...verdict.superseded);
  if (verdict.kind === 'theirs') merged.here.push({ facet: 'severity', value: there });
  else merged.there.push({ kind: 'set-severity', severity: ours.severity });
}

type Verdict =
  | { kind: 'agreed' }
  | { kind: 'unsure' }
  /** A command of ours is on its way; `again`: they changed it meanwhile, so what came of it is worth a look. */
  | { kind: 'ours-waits'; again: boolean }
  | { kind: 'theirs'; superseded: string[] }
  | { kind: 'ours'; superseded: string[] };

function isOpenQuestion(verdict: Verdict): boolean {
  return verdict.kind === 'unsure' || (verdict.kind === 'ours-waits' && verdict.again);
}

/** Rules 2 to 6 for one facet. */
function judge(
  facet: Facet,
  equal: boolean,
  changedThere: boolean,
  base: ConfirmedState | null,
  theirs: TheirState,
  pending: PendingCommand[],
  now: Date,
): Verdict {
  const waiting = pending.filter((command) => command.facet === facet);
  if (equal) return waiting.length > 0 ? { kind: 'ours-waits', again: false } : { kind: 'agreed' };
  if (mayBeOlder(base?.said[facet], theirs, now)) return { kind: 'unsure' };
  if (waiting.length > 0) {
    const change = theirs.changes[facet];
    const beaten = waiting.every((command) => !command.sent && isBeaten(command, change));
    if (!changedThere || !beaten) return { kind: 'ours-waits', again: changedThere };
    return { kind: 'theirs', superseded: waiting.map((command) => command.id) };
  }
  return { kind: changedThere ? 'theirs' : 'ours', superseded: [] };
}

/** Whether a change there beats what we have not said yet. Nobody named counts as a person: rules of the vendor name themselves. */
function isBeaten(command: PendingCommand, change: ChangedThere | undefined): boolean {
  const byPerson = change?.by !== 'automaton';
  if (command.by === 'automaton') return byPerson;
  return byPerson && change !== undefined && change.at !== null && change.at > command.at;
}

/** Whether a state may be from before a command that the vendor confirmed. */
function mayBeOlder(said: Said | undefined, theirs: TheirState, now: Date): boolean {
  if (said === undefined) return false;
  if (said.at >= theirs.readAt) return true;
  if (now.getTime() - said.at.getTime() > laggingForMs) return false;
  return said.vendorAt !== null && theirs.updatedAt !== null && theirs.updatedAt < said.vendorAt;
}

function sameOwner(a: string | null, b: string | null): boolean {
  return a === b || (a !== null && b !== null && a.toLowerCase() === b.toLowerCase());
}
