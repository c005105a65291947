import { severities, type Severity } from '../alerts/alert.ts';
import { conditionKey, type EntityRef, layers, refOf } from './condition.ts';
import type { Detected } from './detect.ts';
import type { RuleName, Rules } from './rules.ts';

/**
 * From conditions to findings: what is told, when, and when it is over. Pure: the
 * same memory, conditions and time give the same answer, so that what it decides
 * can be replayed. All times are the server's.
 */

export type Finding = {
  key: string;
  /** `resolved` ones are kept for a while to notice flapping. */
  state: 'pending' | 'suppressed' | 'digested' | 'firing' | 'resolved';
  /** As last seen. */
  condition: Detected;
  /** What the wait counts from. */
  since: Date;
  firstSeenAt: Date;
  firedAt: Date | null;
  /** As told; only grows within an episode. */
  severity: Severity | null;
  /** Since when it has not been seen, while its detector looked. */
  absentSince: Date | null;
  /** Key of the finding that explains it. */
  suppressedBy: string | null;
  /** When what explained it ended: it then has to hold for itself. */
  releasedAt: Date | null;
  /** Times of going and coming back while told, within the last half hour. */
  flips: Date[];
  flapping: boolean;
  toldAt: Date | null;
  /** What people see of it, to tell a change from a repetition. */
  toldAs: string;
};

export type Memory = {
  /** When the watcher looked at this cluster for the first time ever. */
  startedAt: Date | null;
  /** Detectors that have run at least once ever. */
  baselined: ReadonlySet<string>;
  findings: ReadonlyMap<string, Finding>;
};

export const emptyMemory: Memory = { startedAt: null, baselined: new Set(), findings: new Map() };

/** A finding to be told, or told again because it grew; with those that stay silent under it. */
export type Fire = { finding: Finding; secondaries: Finding[]; kind: 'new' | 'worse' | 'changed' };

export type Step = {
  memory: Memory;
  fire: Fire[];
  resolve: Finding[];
  /** When the next decision is due if nothing changes; null: nothing waits. */
  nextDueAt: Date | null;
};

export type StepInput = {
  conditions: readonly Detected[];
  evaluated: ReadonlySet<string>;
  /** Detectors whose first findings all go into the digest. */
  baseline: ReadonlySet<string>;
  rules: Rules;
  now: Date;
};

/** Guard G11. */
export const holdDownMs = 60_000;
const flappingHoldMs = 900_000;
const flipsWithinMs = 1_800_000;
const mostFlips = 4;
/** Changes of pods and the like are told at most so often. */
const retellMs = 60_000;
/** What was explained by another has so long to recover after that one ended. */
const releaseMs = 120_000;
/** What is not urgent waits so long for the wait of what explains it. */
const awaitCauseMs = 300_000;
/** And so long for what says more gravely of the same workload that it fails. */
const awaitGraverMs = 150_000;

const rank = (severity: Severity): number => severities.indexOf(severity);

export function step(memory: Memory, input: StepInput): Step {
  const { now, rules } = input;
  const startedAt = memory.startedAt ?? now;
  const findings = new Map<string, Finding>();
  for (const [key, finding] of memory.findings) findings.set(key, { ...finding });
  const present = strongest(input.conditions);
  const digest = digestCondition(findings, startedAt, input);
  if (digest !== null) present.set(conditionKey(digest), digest);
  const resolve: Finding[] = [];

  for (const [key, condition] of present) note(findings, key, condition, memory, input);
  for (const finding of findings.values()) {
    const { detector } = finding.condition;
    if (present.has(finding.key) || (detector !== 'engine' && !input.evaluated.has(detector))) continue;
    if (missed(finding, now)) resolve.push({ ...finding });
    if (isForgotten(finding, now)) findings.delete(finding.key);
  }
  const fire = decide(findings, present, now);
  const baselined = new Set([...memory.baselined, ...input.evaluated]);
  return {
    memory: { startedAt, baselined, findings },
    fire,
    resolve,
    nextDueAt: nextDue(findings, now, rules),
  };
}

/** Of conditions with the same identity the gravest stands for all. */
function strongest(conditions: readonly Detected[]): Map<string, Detected> {
  const present = new Map<string, Detected>();
  for (const condition of conditions) {
    const key = conditionKey(condition);
    const other = present.get(key);
    if (other === undefined || worst(condition) < worst(other)) present.set(key, condition);
  }
  return present;
}

function worst({ stages }: Detected): number {
  return Math.min(...stages.map(({ severity }) => rank(severity)));
}

/** Takes in what a detector sees now. */
function note(
  findings: Map<string, Finding>,
  key: string,
  condition: Detected,
  memory: Memory,
  input: StepInput,
): void {
  const { now } = input;
  const known = findings.get(key);
  // A clock that is ahead must not make it wait longer.
  const since = condition.since === null || condition.since > now ? null : condition.since;
  if (known === undefined || known.state === 'resolved') {
    findings.set(key, {
      key,
      state: isDigested(condition, memory, input) ? 'digested' : 'pending',
      condition,
      since: since ?? now,
      firstSeenAt: now,
      firedAt: null,
      severity: null,
      absentSince: null,
      suppressedBy: null,
      releasedAt: null,
      flips: recent(known?.flips ?? [], now),
      flapping: false,
      toldAt: null,
      toldAs: '',
    });
    return;
  }
  if (known.absentSince !== null && known.state === 'firing')
    known.flips = [...recent(known.flips, now), now];
  known.absentSince = null;
  known.condition = condition;
  known.since = since ?? known.since;
}

function recent(flips: readonly Date[], now: Date): Date[] {
  return flips.filter((at) => now.getTime() - at.getTime() <= flipsWithinMs);
}

/** Guard G10: old trouble that the first look ever finds. P0 is told whatever its age. */
function isDigested(condition: Detected, memory: Memory, input: StepInput): boolean {
  if (memory.baselined.has(condition.detector) || condition.detector === 'engine') return false;
  if (condition.stages.some(({ severity }) => severity === 'P0')) return false;
  if (input.baseline.has(condition.detector)) return true;
  const { ageSeconds = 86_400 } = input.rules['watcher.digest'].thresholds;
  const times = [condition.since, condition.onset].filter((at) => at !== null).map((at) => at.getTime());
  return times.length > 0 && input.now.getTime() - Math.min(...times) > ageSeconds * 1_000;
}

/** Not there though its detector looked. True when it is over now. */
function missed(finding: Finding, now: Date): boolean {
  if (finding.state === 'resolved') return false;
  if (finding.absentSince === null) {
    finding.absentSince = now;
    if (finding.state === 'firing') finding.flips = [...recent(finding.flips, now), now];
  }
  if (recent(finding.flips, now).length > mostFlips) finding.flapping = true;
  if (finding.state !== 'firing') return false;
  const holdMs = finding.flapping ? flappingHoldMs : holdDownMs;
  if (now.getTime() - finding.absentSince.getTime() < holdMs) return false;
  finding.state = 'resolved';
  finding.suppressedBy = null;
  return true;
}

function isForgotten(finding: Finding, now: Date): boolean {
  if (finding.absentSince === null) return false;
  if (finding.state === 'resolved') return recent(finding.flips, now).length === 0;
  return finding.state !== 'firing' && now.getTime() - finding.absentSince.getTime() >= holdDownMs;
}

/** Nearest to the cause first, so that what they explain finds them told. */
function decide(findings: Map<string, Finding>, present: ReadonlyMap<string, Detected>, now: Date): Fire[] {
  const byEntity = new Map<EntityRef, Finding[]>();
  for (const finding of findings.values()) {
    const ref = refOf(finding.condition.subject);
    const others = byEntity.get(ref);
    if (others === undefined) byEntity.set(ref, [finding]);
    else others.push(finding);
  }
  const fired = new Map<string, Fire['kind']>();
  const inOrder = [...findings.values()]
    .filter(({ key }) => present.has(key))
    .toSorted(
      (a, b) =>
        a.condition.layer - b.condition.layer ||
        a.since.getTime() - b.since.getTime() ||
        (a.key < b.key ? -1 : 1),
    );
  for (const finding of inOrder) {
    const severity = dueSeverity(finding, now);
    if (finding.state === 'firing') {
      if (severity !== null && finding.severity !== null && rank(severity) < rank(finding.severity)) {
        // One node among many weighs more only because of the others, and that is told of them all.
        const isOneOfMany = finding.condition.layer === layers.node;
        if (isOneOfMany && findExplainer(finding, severity, byEntity, now) !== null) continue;
        finding.severity = severity;
        fired.set(finding.key, 'worse');
      }
      continue;
    }
    if (finding.state === 'digested' && !hasGrown(finding, severity)) {
      finding.severity ??= severity;
      continue;
    }
    const explainer = severity === null ? null : findExplainer(finding, severity, byEntity, now);
    if (explainer !== null) {
      finding.state = 'suppressed';
      finding.suppressedBy = explainer.key;
      continue;
    }
    if (finding.state === 'suppressed') {
      const before = findings.get(finding.suppressedBy ?? '');
      finding.state = 'pending';
      finding.suppressedBy = null;
      // What explained it went before it was told: what cannot wait does not wait for it to recover, too.
      const isUrgent = severity === 'P0' || finding.condition.layer <= layers.node;
      if (!isUrgent || before?.firedAt !== null) {
        finding.releasedAt = now;
        continue;
      }
    }
    if (severity === null) continue;
    const wasTold = finding.flips.length > 0;
    finding.state = 'firing';
    finding.severity = severity;
    finding.firedAt = now;
    if (wasTold) finding.flips = [...recent(finding.flips, now), now];
    finding.flapping = finding.flips.length > mostFlips;
    fired.set(finding.key, 'new');
  }
  return toldNow(findings, present, fired, now);
}

/** The stage its wait has reached; null: not yet. */
function dueSeverity(finding: Finding, now: Date): Severity | null {
  const { stages } = finding.condition;
  const elapsedMs = now.getTime() - finding.since.getTime();
  if (finding.releasedAt !== null && now.getTime() - finding.releasedAt.getTime() < releaseMs) return null;
  return stages.findLast(({ afterSeconds }) => elapsedMs >= afterSeconds * 1_000)?.severity ?? null;
}

function hasGrown(finding: Finding, severity: Severity | null): boolean {
  return severity !== null && finding.severity !== null && rank(severity) < rank(finding.severity);
}

/**
 * Guard G13 and its like: a told (or itself explained) finding nearer to the
 * cause, on everything that one of the groups names. It has to weigh at least as
 * much, so that nothing grave hides under something light; nodes explain all but P0.
 * For P2 and less one that will be told within minutes is enough: a claim without a
 * volume waits longer than the pod that waits for it.
 */
function findExplainer(
  finding: Finding,
  severity: Severity,
  byEntity: ReadonlyMap<EntityRef, Finding[]>,
  now: Date,
): Finding | null {
  for (const group of finding.condition.explainedBy) {
    const explainers = group.map((ref) =>
      (byEntity.get(ref) ?? []).find((other) => explains(other, finding, severity, { byEntity, now })),
    );
    const [first] = explainers;
    if (first !== undefined && explainers.every((one) => one !== undefined)) return first;
  }
  return null;
}

const awayRules: ReadonlySet<RuleName> = new Set([
  'node.not-ready',
  'node.not-ready.grave',
  'node.not-ready.most',
  'node.network-unavailable',
  'node.flapping',
]);

type Surroundings = { byEntity: ReadonlyMap<EntityRef, Finding[]>; now: Date };

function explains(other: Finding, finding: Finding, severity: Severity, around: Surroundings): boolean {
  if (other.key === finding.key) return false;
  const [near, far] = [other.condition.layer, finding.condition.layer];
  if (near === layers.apart) return false;
  const isNode = near === layers.node || near === layers.nodes;
  const weight = weightOf(other);
  const isSame = refOf(other.condition.subject) === refOf(finding.condition.subject);
  // Of a workload's own findings, what it fails for and that it fails, one is enough. What its pods fail for can be
  // two things.
  const isPair =
    isSame && near >= layers.pods && far >= layers.pods && (near !== far || near === layers.workload);
  if (near >= far && !isPair) return false;
  const isAwaited =
    rank(severity) > rank('P1') &&
    (near < far
      ? isToldWithin(awaitCauseMs, other, around.now)
      : rank(weight) < rank(severity) && isToldWithin(awaitGraverMs, other, around.now));
  const isTold = near < far ? isActive(other, finding) : other.state === 'firing';
  if (!isTold && !isAwaited) return false;
  // A node that is away takes its pods with it. One that is only short of something explains what it evicts.
  if (isNode) {
    const isAway = awayRules.has(other.condition.rule);
    if (!isAway && !finding.condition.reason.startsWith('Evict')) return false;
    if (isAway && weight !== 'P4') return severity !== 'P0' || isUnderP0(other, around.byEntity);
  }
  return rank(weight) <= rank(severity);
}

/** Told, itself explained, or about to be told of a node: its wait is what it takes to be sure. */
function isActive({ state, suppressedBy, absentSince, condition }: Finding, of: Finding): boolean {
  const isNode = condition.layer === layers.node || condition.layer === layers.nodes;
  return (
    state === 'firing' ||
    (state === 'suppressed' && suppressedBy !== of.key) ||
    (isNode && state === 'pending' && absentSince === null && condition.rule.startsWith('node.not-ready'))
  );
}

/** Of a node only that it is away: what else may be wrong with it is not sure before its wait is over. */
function isToldWithin(ms: number, finding: Finding, now: Date): boolean {
  const { state, absentSince, since, condition } = finding;
  if (state !== 'pending' || absentSince !== null || condition.layer === layers.node) return false;
  const waitMs = (condition.stages[0]?.afterSeconds ?? 0) * 1_000;
  return since.getTime() + waitMs - now.getTime() <= ms;
}

/** Only what is told as P0 itself may take a P0 with it: that most nodes are away, or the only one is. */
function isUnderP0(node: Finding, byEntity: ReadonlyMap<EntityRef, Finding[]>): boolean {
  if (weightOf(node) === 'P0') return true;
  return node.condition.explainedBy
    .flat()
    .flatMap((ref) => byEntity.get(ref) ?? [])
    .some((one) => isActive(one, node) && weightOf(one) === 'P0');
}

function weightOf({ severity, condition }: Finding): Severity {
  return severity ?? condition.stages.at(-1)?.severity ?? 'P4';
}

/** What fired, grew, or changed its shape, with what stays silent under it. */
function toldNow(
  findings: ReadonlyMap<string, Finding>,
  present: ReadonlyMap<string, Detected>,
  fired: ReadonlyMap<string, Fire['kind']>,
  now: Date,
): Fire[] {
  const under = new Map<string, Finding[]>();
  for (const finding of findings.values()) {
    const root = rootOf(finding, findings);
    if (root === null) continue;
    under.set(root.key, [...(under.get(root.key) ?? []), finding]);
  }
  const fire: Fire[] = [];
  for (const finding of findings.values()) {
    if (finding.state !== 'firing' || !present.has(finding.key)) continue;
    const secondaries = under.get(finding.key) ?? [];
    const as = shapeOf(finding, secondaries);
    let kind = fired.get(finding.key);
    const isOld = finding.toldAt === null || now.getTime() - finding.toldAt.getTime() >= retellMs;
    if (kind === undefined && as !== finding.toldAs && isOld) kind = 'changed';
    if (kind === undefined) continue;
    finding.toldAt = now;
    finding.toldAs = as;
    fire.push({ finding: { ...finding }, secondaries: secondaries.map((one) => ({ ...one })), kind });
  }
  return fire;
}

function rootOf(finding: Finding, findings: ReadonlyMap<string, Finding>): Finding | null {
  let current: Finding | undefined = finding;
  // Layers only descend but for one pair, so a few hops reach the root.
  for (let hops = 0; hops < 8 && current?.state === 'suppressed'; hops += 1)
    current = findings.get(current.suppressedBy ?? '');
  return current === undefined || current === finding || current.state !== 'firing' ? null : current;
}

function shapeOf(finding: Finding, secondaries: readonly Finding[]): string {
  return JSON.stringify([
    finding.severity,
    finding.flapping,
    finding.condition.pods.slice(0, 20),
    finding.condition.pods.length,
    secondaries
      .map(({ key }) => key)
      .toSorted()
      .slice(0, 50),
    ...(finding.condition.version === null ? [] : [finding.condition.version]),
  ]);
}

const listedInDigest = 50;

/** One finding that stands for all that the first start put aside. */
function digestCondition(
  findings: ReadonlyMap<string, Finding>,
  startedAt: Date,
  input: StepInput,
): Detected | null {
  const rule = input.rules['watcher.digest'];
  const { showSeconds = 86_400 } = rule.thresholds;
  if (!rule.enabled || input.now.getTime() - startedAt.getTime() > showSeconds * 1_000) return null;
  const digested = [...findings.values()].filter(({ state }) => state === 'digested');
  if (digested.length === 0) return null;
  const lines = digested
    .toSorted((a, b) => worst(a.condition) - worst(b.condition) || (a.key < b.key ? -1 : 1))
    .slice(0, listedInDigest)
    .map(({ condition }) => `${severities[worst(condition)] ?? ''} ${condition.title}`);
  if (digested.length > listedInDigest) lines.push(`and ${digested.length - listedInDigest} more`);
  return {
    rule: 'watcher.digest',
    detector: 'engine',
    reason: 'FirstLook',
    subject: { kind: 'Cluster', namespace: null, name: 'digest' },
    container: null,
    since: startedAt,
    onset: null,
    stages: rule.stages,
    title: `${digested.length} things were wrong for long when the watcher first looked`,
    description: lines.join('\n'),
    labels: {},
    pods: [],
    nodes: [],
    layer: layers.apart,
    explainedBy: [],
    version: null,
  };
}

function nextDue(findings: ReadonlyMap<string, Finding>, now: Date, rules: Rules): Date | null {
  let next = Number.POSITIVE_INFINITY;
  const consider = (at: number): void => {
    if (at > now.getTime() && at < next) next = at;
  };
  for (const finding of findings.values()) {
    if (finding.state === 'resolved') continue;
    if (finding.absentSince !== null)
      consider(finding.absentSince.getTime() + (finding.flapping ? flappingHoldMs : holdDownMs));
    if (finding.releasedAt !== null) consider(finding.releasedAt.getTime() + releaseMs);
    for (const { afterSeconds } of finding.condition.stages)
      consider(finding.since.getTime() + afterSeconds * 1_000);
    if (finding.state === 'digested')
      consider(now.getTime() + (rules['watcher.digest'].stages[0]?.afterSeconds ?? 0) * 1_000);
  }
  return Number.isFinite(next) ? new Date(next) : null;
}
