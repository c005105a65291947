import type { Severity, SourceName } from '../alerts/alert.ts';
import { applySignal, judgeSignal, type KnownAlert } from '../alerts/apply-signal.ts';
import type { IntakeRequest, IntakeResult } from '../alerts/intake.ts';
import { newId } from '../lib/ids.ts';

/**
 * What this process knows of P0 and P1 without the database: those that were open
 * when it was last read, what was taken in since, and what lies in the spool. It is
 * what tells a new alert from the repeat of one that was told before the outage;
 * the rules are those of the intake.
 */
export class UrgentView {
  readonly #known = new Map<string, { alert: KnownAlert; atMs: number }>();
  #version = 0;

  /** More than this are not kept: the oldest are then told once more, as if new. */
  static readonly most = 20_000;

  get size(): number {
    return this.#known.size;
  }

  /** Grows whenever an alert is another one, or in another state, than before; not with each repeat. */
  get version(): number {
    return this.#version;
  }

  get alerts(): KnownAlert[] {
    return [...this.#known.values()].map(({ alert }) => alert);
  }

  /** What the database says, but for what was heard after `readAtMs`, which it need not have seen yet. */
  load(alerts: KnownAlert[], readAtMs: number): void {
    for (const [key, { atMs }] of this.#known) if (atMs < readAtMs) this.#known.delete(key);
    for (const alert of alerts) {
      const key = keyOf(alert.source, alert.tenant, alert.fingerprint);
      if (!this.#known.has(key)) this.#set(key, alert, readAtMs);
    }
  }

  /** True when a request has to be kept also while the database is away: a P0 or P1, or the end of one. */
  isUrgent(request: IntakeRequest): boolean {
    return request.entries.some(
      (entry) =>
        entry.ok &&
        (isGrave(entry.signal.severity) ||
          this.#known.has(keyOf(request.source, entry.signal.tenant, entry.signal.fingerprint))),
    );
  }

  /** Takes in a request; answers the alerts that people have not heard of, by their place in it. */
  apply(
    request: IntakeRequest,
    nowMs: number,
    result?: IntakeResult,
  ): { index: number; alert: KnownAlert }[] {
    const news: { index: number; alert: KnownAlert }[] = [];
    for (const [index, entry] of request.entries.entries()) {
      if (!entry.ok) continue;
      const { signal } = entry;
      const key = keyOf(request.source, signal.tenant, signal.fingerprint);
      const before = this.#known.get(key)?.alert;
      if (before === undefined && !isGrave(signal.severity)) continue;
      const verdict = judgeSignal(before, signal, request.receivedAt);
      if (verdict.kind === 'ignored') continue;
      const alert = applySignal(before, signal, verdict.kind, {
        id: before?.id ?? result?.results[index]?.id ?? entry.alertId ?? newId(),
        source: request.source,
        receivedAt: request.receivedAt,
        incidentStillOpen: false,
      });
      this.#set(key, alert, nowMs);
      const isNew = verdict.kind === 'created' || verdict.kind === 'refired';
      // Alerts of one broken data source share a message, which only the database can put together.
      if (isNew && isGrave(alert.severity) && alert.mute === null && alert.foldKey === null)
        news.push({ index, alert });
    }
    return news;
  }

  #set(key: string, alert: KnownAlert, atMs: number): void {
    const before = this.#known.get(key)?.alert;
    if (before?.status !== alert.status || before.severity !== alert.severity) this.#version += 1;
    this.#known.delete(key);
    this.#known.set(key, { alert, atMs });
    if (this.#known.size <= UrgentView.most) return;
    const [oldest] = this.#known.keys();
    if (oldest !== undefined) this.#known.delete(oldest);
  }
}

function isGrave(severity: Severity): boolean {
  return severity === 'P0' || severity === 'P1';
}

function keyOf(source: SourceName, tenant: string, fingerprint: string): string {
  return JSON.stringify([source, tenant, fingerprint]);
}
