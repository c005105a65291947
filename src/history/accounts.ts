/**
 * The accounts of what was accepted. A telling is one episode of an alert: it began
 * when the alert was created or fired again. Every telling is in exactly one of the
 * four columns; what is in none was lost, and the sum does not hold.
 */
export type Accounts = {
  /** Half-open interval over the beginning of the tellings. */
  from: Date;
  to: Date;
  /** Tellings that began in it; our own test alerts left out. */
  accepted: number;
  /** A message was taken by the vendor; for a broken data source the shared one. */
  delivered: number;
  suppressed: number;
  /** By rule: see `suppressionRules`. */
  suppressedBy: Record<string, number>;
  pending: number;
  /** `job`: not worked on yet; `send`: in the queue of messages. */
  pendingBy: Record<string, number>;
  failed: number;
  /** By the last error, shortened to its kind and code. */
  failedBy: Record<string, number>;
  unaccounted: number;
  /** At most 100 of them. */
  unaccountedAlertIds: string[];
  /** Entries of the requests of sources in the same time, by what became of them. */
  entries: EntryAccounts;
  /** Tellings of our own test alerts. */
  canary: number;
  holds: boolean;
};

export type EntryAccounts = {
  /** Requests; `refused` ones could not be read and have no entries. */
  requests: number;
  refused: number;
  received: number;
  created: number;
  updated: number;
  resolved: number;
  ignored: number;
  rejected: number;
  /** Alerts that these requests created by the audit log: has to equal `created`. Null where requests are not kept any more. */
  createdByAudit: number | null;
};

/** Why a telling is told to nobody, by rule. */
export const suppressionRules = {
  'severity-none': 'its severity word is "none"',
  heartbeat: 'a heartbeat: only its silence would be told',
  inhibitor: 'it exists only to mute others at its sender',
  'no-notifier': 'nobody to tell was configured',
  overtaken: 'it ended and fired again before it could be told, and was told once as it then was',
} as const;

/** One kind of telling with its count, as the database answers. */
export type TellingCount = {
  state: 'delivered' | 'suppressed' | 'pending' | 'failed' | 'unaccounted';
  reason: string;
  count: number;
};

/** Pure: adds up. */
export function sumUp(
  span: { from: Date; to: Date },
  counts: TellingCount[],
  rest: { accepted: number; unaccountedAlertIds: string[]; entries: EntryAccounts; canary: number },
): Accounts {
  const sum = (state: TellingCount['state']): number =>
    counts.filter((one) => one.state === state).reduce((total, one) => total + one.count, 0);
  const by = (state: TellingCount['state']): Record<string, number> =>
    Object.fromEntries(
      counts.filter((one) => one.state === state).map(({ reason, count }) => [reason, count]),
    );
  const sums = {
    delivered: sum('delivered'),
    suppressed: sum('suppressed'),
    pending: sum('pending'),
    failed: sum('failed'),
    unaccounted: sum('unaccounted'),
  };
  const { entries } = rest;
  const told = sums.delivered + sums.suppressed + sums.pending + sums.failed;
  const created = entries.createdByAudit === null || entries.createdByAudit === entries.created;
  return {
    ...span,
    accepted: rest.accepted,
    ...sums,
    suppressedBy: by('suppressed'),
    pendingBy: by('pending'),
    failedBy: by('failed'),
    unaccountedAlertIds: rest.unaccountedAlertIds,
    entries,
    canary: rest.canary,
    holds: told === rest.accepted && created,
  };
}

/** The longest span of one account, so that it stays a matter of seconds. */
export const longestSpanDays = 31;
const dayMs = 86_400_000;

export type Span = { ok: true; from: Date; to: Date } | { ok: false; reason: string };

/** Pure: the span that is asked for; the last 24 hours by default. */
export function spanOf(asked: { from?: Date | undefined; to?: Date | undefined }, now: Date): Span {
  const to = asked.to ?? now;
  const from = asked.from ?? new Date(to.getTime() - dayMs);
  if (from >= to) {
    return {
      ok: false,
      reason: `from (${from.toISOString()}) has to be before to (${to.toISOString()}), which is now by default`,
    };
  }
  if (to.getTime() - from.getTime() > longestSpanDays * dayMs) {
    return {
      ok: false,
      reason: `from and to are ${Math.ceil((to.getTime() - from.getTime()) / dayMs)} days apart; at most ${longestSpanDays} are summed up at once`,
    };
  }
  return { ok: true, from, to };
}
