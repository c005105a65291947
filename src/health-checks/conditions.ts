import type { Severity } from '../alerts/alert.ts';
import { certificateSeverity } from './certificate-severity.ts';
import type { CheckResult, HealthCheck } from './health-check.ts';

/**
 * From results to alerts: pure, and small enough to be a row. A check has up to
 * three conditions, each an alert of its own, because one may last for weeks
 * (a certificate) while another comes and goes.
 */
export const conditionNames = ['availability', 'latency', 'certificate'] as const;
export type ConditionName = (typeof conditionNames)[number];

/** Times are milliseconds since 1970. */
export type ConditionMemory = {
  /** `pending`: bad, but not for long enough. `recovering`: told, and good, but not for long enough. */
  state: 'ok' | 'pending' | 'firing' | 'recovering';
  /** When the state that is or will be told began; for `ok` when it ended. */
  sinceMs: number;
  /** Since when it is good while it is recovering. */
  goodSinceMs: number | null;
  /** As it was told last. */
  severity: Severity;
  detail: string;
  /** When it ended lately, oldest first: one that comes and goes is held longer. */
  endedMs: number[];
};
export type Conditions = Partial<Record<ConditionName, ConditionMemory>>;

/** What has to be told. */
export type ConditionChange = {
  condition: ConditionName;
  kind: 'fire' | 'resolve';
  severity: Severity;
  detail: string;
  since: Date;
  at: Date;
};

export type CheckStatus = 'unknown' | 'up' | 'failing' | 'down' | 'recovering';

export type Step = {
  conditions: Conditions;
  changes: ConditionChange[];
  status: CheckStatus;
  /** Something is decided when this has passed: looking then, and not an interval later, tells it in time. */
  lookAgainMs: number | null;
};

type Finding = { bad: true; severity: Severity; detail: string } | { bad: false; detail: string } | 'unknown';

/** Ends so often in so long are flapping. */
const flappingEnds = 4;
const flappingWithinMs = 30 * 60_000;
const flappingHoldMs = 10 * 60_000;

/**
 * One result more.
 * @param previousAt when the result before was; after a long gap nothing is known
 *   of the time between, and what was pending or recovering counts anew
 * @param watched true when the time between was watched by other means
 */
export function step(
  check: HealthCheck,
  before: Conditions,
  result: CheckResult,
  previousAt: Date | null,
  watched = false,
): Step {
  const nowMs = result.at.getTime();
  const longestGapMs = Math.max(3 * check.intervalMs, 60_000);
  const gap = !watched && (previousAt === null || nowMs - previousAt.getTime() > longestGapMs);
  const conditions: Conditions = {};
  const changes: ConditionChange[] = [];
  const waits: number[] = [];
  for (const name of conditionNames) {
    const known = before[name];
    const finding = find(name, check, result);
    const memory = known === undefined ? undefined : forgetOld(known, nowMs);
    if (finding === null) {
      // Nobody asks for it any more.
      if (memory !== undefined && isTold(memory)) {
        changes.push(change(name, 'resolve', { ...memory, detail: 'no longer checked' }, result.at));
      }
      continue;
    }
    const forMs = name === 'certificate' ? 0 : check.forMs;
    const next = advance(memory, finding, { nowMs, gap, forMs, holdDownMs: check.holdDownMs });
    if (next.memory !== undefined) conditions[name] = next.memory;
    if (next.tell !== null) changes.push(change(name, next.tell, next.told, result.at));
    if (next.waitMs !== null) waits.push(next.waitMs);
  }
  return {
    conditions,
    changes,
    status: statusOf(conditions.availability),
    lookAgainMs: waits.length === 0 ? null : Math.min(...waits),
  };
}

/** What ends with a check that is taken away. */
export function endOf(conditions: Conditions, at: Date): ConditionChange[] {
  return conditionNames.flatMap((name) => {
    const memory = conditions[name];
    if (memory === undefined || !isTold(memory)) return [];
    return [change(name, 'resolve', { ...memory, detail: 'the health check was removed' }, at)];
  });
}

/** Null where the check does not look at it. */
function find(name: ConditionName, check: HealthCheck, result: CheckResult): Finding | null {
  switch (name) {
    case 'availability':
      return result.ok
        ? { bad: false, detail: result.detail }
        : { bad: true, severity: check.severity, detail: result.detail };
    case 'latency': {
      if (check.latency === null) return null;
      // How slow it is says nothing while it does not work.
      if (!result.ok) return 'unknown';
      const { thresholdMs, severity } = check.latency;
      const took = `${Math.round(result.durationMs)} ms, limit ${thresholdMs} ms`;
      return result.durationMs > thresholdMs
        ? { bad: true, severity, detail: `It took ${took}` }
        : { bad: false, detail: took };
    }
    case 'certificate': {
      if (check.certificate === null) return null;
      // One that fails it is what its failure says already.
      if (result.certificate === null || !result.ok) return 'unknown';
      const found = certificateSeverity(result.certificate, check.certificate, result.at);
      if (found === null)
        return { bad: false, detail: `It is valid until ${result.certificate.validTo.toISOString()}` };
      return { bad: true, ...found };
    }
    default:
      return name satisfies never;
  }
}

type Advance = {
  memory: ConditionMemory | undefined;
  tell: 'fire' | 'resolve' | null;
  told: ConditionMemory;
  waitMs: number | null;
};

function advance(
  known: ConditionMemory | undefined,
  finding: Finding,
  at: { nowMs: number; gap: boolean; forMs: number; holdDownMs: number },
): Advance {
  const { nowMs, gap, forMs } = at;
  const memory: ConditionMemory = known ?? {
    state: 'ok',
    sinceMs: nowMs,
    goodSinceMs: null,
    severity: 'P4',
    detail: '',
    endedMs: [],
  };
  const stays = (next: ConditionMemory, waitMs: number | null = null): Advance => ({
    memory: next.state === 'ok' && next.endedMs.length === 0 ? undefined : next,
    tell: null,
    told: next,
    waitMs,
  });
  if (finding === 'unknown') {
    // What is told stays told, and what was about to be said is not known to have lasted.
    return isTold(memory)
      ? stays({ ...memory, state: 'firing', goodSinceMs: null })
      : stays({ ...memory, state: 'ok', sinceMs: nowMs });
  }
  if (finding.bad) {
    const { severity, detail } = finding;
    if (isTold(memory)) {
      const next: ConditionMemory = { ...memory, state: 'firing', goodSinceMs: null, severity, detail };
      return severity === memory.severity
        ? stays(next)
        : { memory: next, tell: 'fire', told: next, waitMs: null };
    }
    const sinceMs = memory.state === 'pending' && !gap ? memory.sinceMs : nowMs;
    const next: ConditionMemory = { ...memory, state: 'pending', sinceMs, severity, detail };
    const leftMs = forMs - (nowMs - sinceMs);
    if (leftMs > 0) return stays(next, leftMs);
    const fired: ConditionMemory = { ...next, state: 'firing' };
    return { memory: fired, tell: 'fire', told: fired, waitMs: null };
  }
  if (!isTold(memory)) return stays({ ...memory, state: 'ok', sinceMs: nowMs });
  const flaps = memory.endedMs.length >= flappingEnds;
  const holdDownMs = flaps ? Math.max(at.holdDownMs, flappingHoldMs) : at.holdDownMs;
  const goodSinceMs =
    memory.state === 'recovering' && !gap && memory.goodSinceMs !== null ? memory.goodSinceMs : nowMs;
  const leftMs = holdDownMs - (nowMs - goodSinceMs);
  if (leftMs > 0) return stays({ ...memory, state: 'recovering', goodSinceMs }, leftMs);
  const endedMs = [...memory.endedMs, nowMs].slice(-flappingEnds);
  const told = { ...memory, detail: finding.detail };
  return {
    memory: { ...memory, state: 'ok', sinceMs: nowMs, goodSinceMs: null, endedMs },
    tell: 'resolve',
    told,
    waitMs: null,
  };
}

function isTold({ state }: ConditionMemory): boolean {
  return state === 'firing' || state === 'recovering';
}

function forgetOld(memory: ConditionMemory, nowMs: number): ConditionMemory {
  return { ...memory, endedMs: memory.endedMs.filter((endMs) => nowMs - endMs < flappingWithinMs) };
}

function change(
  condition: ConditionName,
  kind: 'fire' | 'resolve',
  memory: ConditionMemory,
  at: Date,
): ConditionChange {
  const { severity, detail, sinceMs } = memory;
  return { condition, kind, severity, detail, since: new Date(sinceMs), at };
}

function statusOf(memory: ConditionMemory | undefined): CheckStatus {
  switch (memory?.state) {
    case 'pending':
      return 'failing';
    case 'firing':
      return 'down';
    case 'recovering':
      return 'recovering';
    default:
      return 'up';
  }
}
