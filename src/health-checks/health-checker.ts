import { setTimeout as wait } from 'node:timers/promises';
import { describeSignal } from '../alerts/describe.ts';
import type { Intake, IntakeRequest } from '../alerts/intake.ts';
import type { SourceRules } from '../alerts/source-rules.ts';
import type { Db, Tx } from '../db/pool.ts';
import type { Clock } from '../lib/clock.ts';
import { type ConditionChange, endOf, type Step, step } from './conditions.ts';
import type { CheckDefinition, CheckResult, HealthCheck, Prober } from './health-check.ts';
import {
  announceChecks,
  type ClaimedCheck,
  claimDueChecks,
  forgottenChecks,
  OvertakenError,
  recordResult,
  removeForgotten,
} from './health-check-store.ts';
import { toSignal } from './to-signal.ts';

/**
 * Looks at what is due, on time and each check once however many processes there
 * are, and reports what its rules make of it. One slow target holds up nobody: looks
 * run beside each other, and each is written when it ends.
 */

const lookEveryMs = 1_000;
/** A check that nobody has spoken for during a minute is taken for removed. */
const announceEveryMs = 20_000;
const looksAtOnce = 40;
const forgottenPerPass = 50;

export type HealthCheckerOptions = {
  db: Db;
  intake: Intake;
  prober: Prober;
  checks: HealthCheck[];
  rules: SourceRules;
  clock: Clock;
  observe: (look: {
    check: HealthCheck;
    result: CheckResult;
    status: Step['status'];
    changed: boolean;
  }) => void;
  onTrouble: (error: unknown) => void;
};

export class HealthChecker {
  readonly #options: HealthCheckerOptions;
  readonly #checks: ReadonlyMap<string, HealthCheck>;
  readonly #stop = new AbortController();
  readonly #underWay = new Set<Promise<void>>();
  #loop: Promise<void> | null = null;
  #announcedMs = Number.NEGATIVE_INFINITY;
  /** While nothing could be claimed the database itself was away, and nobody could write that down. */
  #away: { from: Date; to: Date; detail: string } | null = null;

  constructor(options: HealthCheckerOptions) {
    this.#options = options;
    this.#checks = new Map(options.checks.map((check) => [check.name, check]));
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /** Looks under way are given up and write nothing; they are due again at their next time. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
    await Promise.allSettled(this.#underWay);
  }

  /** Looks at what is due now, and waits for it: for tests, which do not wait for clocks. */
  async runDue(): Promise<void> {
    try {
      while (await this.#startDue()) await this.#oneEnds();
    } catch (error) {
      this.#noteAway(error);
      throw error;
    }
    await Promise.allSettled(this.#underWay);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    let silent = false;
    while (!signal.aborted) {
      try {
        const more = await this.#startDue();
        silent = false;
        if (more) {
          await this.#oneEnds();
          continue;
        }
      } catch (error) {
        this.#noteAway(error);
        // An outage is said once, not every second.
        if (!signal.aborted && !silent) this.#options.onTrouble(error);
        silent = true;
      }
      await wait(lookEveryMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Each ends within its timeout; nothing to wait for is nothing to wait for. */
  async #oneEnds(): Promise<void> {
    if (this.#underWay.size > 0) await Promise.race(this.#underWay);
  }

  /** True when more may be due than could be taken: go on as soon as one of those under way has ended. */
  async #startDue(): Promise<boolean> {
    await this.#announce();
    if (this.#checks.size === 0 || this.#stop.signal.aborted) return false;
    const free = looksAtOnce - this.#underWay.size;
    if (free <= 0) return true;
    const { db, onTrouble } = this.#options;
    const taken = await claimDueChecks(db, [...this.#checks.keys()], free);
    for (const claimed of taken) {
      const check = this.#checks.get(claimed.name);
      if (check === undefined) continue;
      const look: Promise<void> = this.#look(check, claimed)
        .catch((error: unknown) => {
          if (!this.#stop.signal.aborted) onTrouble(error);
        })
        .finally(() => this.#underWay.delete(look));
      this.#underWay.add(look);
    }
    return taken.length === free;
  }

  /** By the clock of the machine: a test that sets ours ahead changes nothing of what other processes see. */
  async #announce(): Promise<void> {
    const nowMs = performance.now();
    if (nowMs - this.#announcedMs < announceEveryMs) return;
    const { db, clock } = this.#options;
    await announceChecks(
      db,
      [...this.#checks.values()].map((check) => ({
        definition: definitionOf(check),
        intervalMs: check.intervalMs,
      })),
      clock.now(),
    );
    await this.#forget();
    this.#announcedMs = nowMs;
  }

  async #look(check: HealthCheck, claimed: ClaimedCheck): Promise<void> {
    const { signal } = this.#stop;
    const { db, clock, prober, observe } = this.#options;
    const startedMs = performance.now();
    const outcome = await prober.probe(check.probe, check.timeoutMs, signal);
    if (signal.aborted) return;
    const result: CheckResult = { ...outcome, at: clock.now(), durationMs: performance.now() - startedMs };
    const judged = this.#judge(check, claimed, result);
    const found = { ...judged, result };
    const written =
      judged.changes.length === 0
        ? await recordResult(db, claimed, found)
        : await this.#report(check, judged.changes, async (tx) => {
            if (!(await recordResult(tx, claimed, found))) throw new OvertakenError();
          });
    if (written) observe({ check, result, status: judged.status, changed: judged.status !== claimed.status });
  }

  #judge(check: HealthCheck, claimed: ClaimedCheck, result: CheckResult): Step {
    const away = check.type === 'database' ? this.#away : null;
    if (away === null || (claimed.checkedAt !== null && claimed.checkedAt >= away.to))
      return step(check, claimed.conditions, result, claimed.checkedAt);
    this.#away = null;
    const silence = { ok: false, detail: away.detail, certificate: null, durationMs: 0 };
    const from = step(check, claimed.conditions, { ...silence, at: away.from }, claimed.checkedAt);
    const to = step(check, from.conditions, { ...silence, at: away.to }, away.from, true);
    const now = step(check, to.conditions, result, away.to, true);
    return { ...now, changes: [...from.changes, ...to.changes, ...now.changes] };
  }

  #noteAway(error: unknown): void {
    const now = this.#options.clock.now();
    const code = (error as { code?: unknown } | null)?.code;
    const reason = typeof code === 'string' ? ` (${code})` : '';
    this.#away = {
      from: this.#away?.from ?? now,
      to: now,
      detail: `The database could not be reached${reason}`,
    };
  }

  /** What nobody looks after any more ends with its alerts. */
  async #forget(): Promise<void> {
    const { db, clock } = this.#options;
    for (const { definition, conditions } of await forgottenChecks(db, forgottenPerPass)) {
      const changes = endOf(conditions, clock.now());
      if (changes.length === 0) await removeForgotten(db, definition.name);
      else
        await this.#report(definition, changes, async (tx) => {
          if (!(await removeForgotten(tx, definition.name))) throw new OvertakenError();
        });
    }
  }

  /** The alerts and the row in one transaction: a crash in between can neither repeat nor lose them. False when overtaken. */
  async #report(
    definition: CheckDefinition,
    changes: ConditionChange[],
    store: (tx: Tx) => Promise<void>,
  ): Promise<boolean> {
    const { intake, rules, clock } = this.#options;
    const signals = changes.map((change) => toSignal(definition, change));
    const request: IntakeRequest = {
      source: 'health-check',
      sender: 'system',
      door: 'system',
      receivedAt: clock.now(),
      entries: signals.map((signal) => ({ ok: true, signal: describeSignal(signal, rules, 'health-check') })),
      raw: { contentType: 'application/json', headers: {}, body: Buffer.from(JSON.stringify(signals)) },
    };
    try {
      const result = await intake.submitWith(request, { claim: store, store: async () => undefined });
      if (!result.ok) throw new Error(`a health check could not be reported: ${result.reason}`);
      return true;
    } catch (error) {
      if (error instanceof OvertakenError) return false;
      throw error;
    }
  }
}

/** Nothing of how it is looked at: that may hold secrets. */
function definitionOf(check: HealthCheck): CheckDefinition {
  const { name, type, target, severity, namespace, labels, own } = check;
  return { name, type, target, severity, namespace, labels, own };
}
