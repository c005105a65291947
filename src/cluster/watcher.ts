import { setTimeout as wait } from 'node:timers/promises';
import type { AlertSignal } from '../alerts/source.ts';
import type { Db } from '../db/pool.ts';
import type { Clock } from '../lib/clock.ts';
import type { ClusterChange, ClusterView } from './cluster-view.ts';
import { detect, type Detection, detectors } from './detect.ts';
import { type Fire, type Memory, step } from './engine.ts';
import { History } from './history.ts';
import { loadMemory, saveMemory } from './memory-store.ts';
import type { Rules } from './rules.ts';
import { noProbes, type Probes, setScene } from './scene.ts';
import { firingSignal, resolvedSignal } from './to-signal.ts';
import { takeSnapshot } from './snapshot.ts';
import { storeSnapshot, thinSnapshots } from './snapshot-store.ts';

export type WatcherOptions = {
  db: Db;
  view: ClusterView;
  cluster: string;
  rules: Rules;
  clock: Clock;
  /** Says of every change of the view; answers how to stop listening. */
  onChange: (listener: (change: ClusterChange) => void) => () => void;
  /** Takes alerts in; resolves after the commit, false when they could not be taken now. */
  submit: (signals: AlertSignal[]) => Promise<boolean>;
  probes?: () => Probes;
  /** Bounded and masked; null when there is nothing. Must not take long. */
  readLogs?: (
    pod: { namespace: string; name: string; container: string },
    signal: AbortSignal,
  ) => Promise<string | null>;
  observe?: (event: WatcherEvent) => void;
};

export type WatcherEvent =
  | { kind: 'evaluated'; durationMs: number; conditions: number; firing: number; detection: Detection }
  /** `at`: when it was stored, by the server's clock. */
  | { kind: 'fired'; fire: Fire; at: Date; firstLookAt: Date | null }
  | { kind: 'resolved'; key: string }
  | { kind: 'trouble'; what: string; error: unknown };

/** What arrives together is looked at together. */
const debounceMs = 250;
const tickMs = 30_000;
/** A look may take this share of the time at most: a large cluster that changes all the time is looked at less often. */
const restFactor = 10;
const longestRestMs = 2_000;
const historyEveryMs = 60_000;
const snapshotEveryMs = 60_000;
const logTimeoutMs = 3_000;
/** Logs are asked for of so many findings of one look. */
const mostLogs = 10;

/**
 * Looks at the cluster whenever it changes, every 30 s, and when a wait ends.
 * Runs in one process at a time: call `lead` from `db/leadership.ts`.
 */
export class ClusterWatcher {
  readonly #options: WatcherOptions;
  #memory: Memory | null = null;
  #history: History;
  #historySavedAt = 0;
  #snapshotAt = 0;
  #thinnedAt = 0;
  #last: Detection | null = null;
  #underWay: Promise<unknown> = Promise.resolve();

  constructor(options: WatcherOptions) {
    this.#options = options;
    this.#history = new History(this.#serverNow());
  }

  /** What the last look found; null before the first. */
  get lastDetection(): Detection | null {
    return this.#last;
  }

  /** Findings now in memory, for the API; empty in a process that does not lead. */
  get memory(): Memory | null {
    return this.#memory;
  }

  async lead(signal: AbortSignal): Promise<void> {
    const { onChange } = this.#options;
    await this.#load();
    let wake: (() => void) | null = null;
    let isDirty = true;
    const stopListening = onChange(() => {
      isDirty = true;
      wake?.();
    });
    try {
      while (!signal.aborted) {
        isDirty = false;
        const startedAt = performance.now();
        const nextDueAt = await this.evaluate(signal).catch((error: unknown) => {
          this.#trouble('a look at the cluster failed', error);
          return null;
        });
        const restMs = Math.min(
          longestRestMs,
          Math.max(debounceMs, (performance.now() - startedAt) * restFactor),
        );
        await pause(restMs, signal);
        if (isDirty || signal.aborted) continue;
        const dueMs = nextDueAt === null ? tickMs : nextDueAt.getTime() - this.#serverNow().getTime();
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        const timer = new AbortController();
        await Promise.race([
          promise,
          pause(Math.min(tickMs, Math.max(debounceMs, dueMs)), AbortSignal.any([signal, timer.signal])),
        ]);
        wake = null;
        timer.abort();
        // Let what comes right after it join.
        if (isDirty) await pause(debounceMs, signal);
      }
    } finally {
      stopListening();
      await this.#saveHistory().catch((error: unknown) =>
        this.#trouble('the history could not be kept', error),
      );
      this.#memory = null;
    }
  }

  /** Looks once more, where this process leads. */
  async lookNow(): Promise<void> {
    if (this.#memory !== null) await this.evaluate();
  }

  /** One look: detect, decide, tell, remember. Answers when the next one is due at the latest. One at a time. */
  async evaluate(signal?: AbortSignal): Promise<Date | null> {
    const look = this.#underWay.then(() => this.#look(signal));
    this.#underWay = look.catch(() => undefined);
    return look;
  }

  async #look(signal?: AbortSignal): Promise<Date | null> {
    const { view, rules, clock, probes, observe, cluster } = this.#options;
    if (this.#memory === null) await this.#load();
    const before = this.#memory;
    if (before === null) return null;
    const startedAt = performance.now();
    const now = this.#serverNow();
    const scene = setScene({ view, now, rules, history: this.#history, probes: probes?.() ?? noProbes });
    const detection = detect(scene, clock.now(), (detector, error) =>
      this.#trouble(`detector ${detector} failed`, error),
    );
    this.#last = detection;
    const { memory, fire, resolve, nextDueAt } = step(before, {
      conditions: detection.conditions,
      evaluated: detection.evaluated,
      baseline: baselineDetectors,
      rules,
      now,
    });
    observe?.({
      kind: 'evaluated',
      durationMs: performance.now() - startedAt,
      conditions: detection.conditions.length,
      firing: [...memory.findings.values()].filter(({ state }) => state === 'firing').length,
      detection,
    });
    if (fire.length > 0 || resolve.length > 0) {
      const logs = await this.#logsFor(fire, signal);
      const signals = [
        ...resolve.map((finding) => resolvedSignal(finding, { cluster, now })),
        ...fire.map((one) =>
          firingSignal(one, { cluster, view, enrichment: { logs: logs.get(one.finding.key) ?? null } }),
        ),
      ];
      // Not taken: nothing is remembered of this look, and the next one decides the same again.
      if (!(await this.#options.submit(signals))) return new Date(now.getTime() + debounceMs);
      const told = { at: this.#serverNow(), firstLookAt: before.startedAt };
      for (const one of fire) observe?.({ kind: 'fired', fire: one, ...told });
      for (const { key } of resolve) observe?.({ kind: 'resolved', key });
    }
    // From here on it is told; whether it can be kept only matters after a restart.
    this.#memory = memory;
    await this.#save(before, memory);
    await this.#keepSnapshots();
    return nextDueAt;
  }

  #serverNow(): Date {
    return new Date(this.#options.clock.now().getTime() + this.#options.view.serverSkewMs);
  }

  async #load(): Promise<void> {
    const { memory, history } = await loadMemory(this.#options.db, this.#options.cluster);
    this.#memory = memory;
    this.#history = new History(this.#serverNow());
    this.#history.restore(history);
  }

  /** What could not be written is written with the next look: the difference is kept until then. */
  #unsaved: Memory | null = null;

  async #save(before: Memory, after: Memory): Promise<void> {
    const nowMs = this.#options.clock.now().getTime();
    const withHistory = nowMs - this.#historySavedAt >= historyEveryMs;
    try {
      await saveMemory(this.#options.db, this.#options.cluster, this.#unsaved ?? before, after, {
        now: this.#options.clock.now(),
        history: withHistory ? this.#history.save() : null,
      });
      this.#unsaved = null;
      if (withHistory) this.#historySavedAt = nowMs;
    } catch (error) {
      this.#unsaved ??= before;
      this.#trouble('what was found could not be kept', error);
    }
  }

  async #saveHistory(): Promise<void> {
    const memory = this.#memory;
    if (memory === null || memory.startedAt === null) return;
    await saveMemory(this.#options.db, this.#options.cluster, this.#unsaved ?? memory, memory, {
      now: this.#options.clock.now(),
      history: this.#history.save(),
    });
  }

  async #keepSnapshots(): Promise<void> {
    const { db, view, clock } = this.#options;
    const now = clock.now();
    if (now.getTime() - this.#snapshotAt < snapshotEveryMs) return;
    // Half a picture is none.
    if (view.freshness('pods').state !== 'streaming' || view.freshness('nodes').state !== 'streaming') return;
    this.#snapshotAt = now.getTime();
    try {
      await storeSnapshot(db, takeSnapshot(view), now);
      if (now.getTime() - this.#thinnedAt >= 3_600_000) {
        this.#thinnedAt = now.getTime();
        await thinSnapshots(db, now);
      }
    } catch (error) {
      this.#trouble('a snapshot of the cluster could not be kept', error);
    }
  }

  /** Of what crashes, the last words of one pod each. All at once, and never for long. */
  async #logsFor(fire: readonly Fire[], signal?: AbortSignal): Promise<Map<string, string>> {
    const { readLogs } = this.#options;
    const logs = new Map<string, string>();
    if (readLogs === undefined) return logs;
    const wanted = fire.filter(({ finding }) => wantsLogs(finding.condition.reason)).slice(0, mostLogs);
    const limit = AbortSignal.timeout(logTimeoutMs);
    const within = signal === undefined ? limit : AbortSignal.any([signal, limit]);
    await Promise.all(
      wanted.map(async ({ finding }) => {
        const { subject, pods, container } = finding.condition;
        const [name] = pods;
        if (name === undefined || subject.namespace === null || container === null) return;
        const text = await Promise.race([
          readLogs({ namespace: subject.namespace, name, container }, within).catch(() => null),
          pause(logTimeoutMs, within).then(() => null),
        ]);
        if (text !== null && text !== '') logs.set(finding.key, text);
      }),
    );
    return logs;
  }

  #trouble(what: string, error: unknown): void {
    this.#options.observe?.({ kind: 'trouble', what, error });
  }
}

const baselineDetectors = new Set(
  detectors.filter(({ baseline }) => baseline === true).map(({ name }) => name),
);

function wantsLogs(reason: string): boolean {
  return /CrashLoopBackOff|OOMKilled|RunContainerError|Restarts/.test(reason);
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await wait(ms, undefined, { signal }).catch(() => undefined);
}
