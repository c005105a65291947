import type { Db, Tx } from '../db/pool.ts';
import { databaseTrouble } from '../db/errors.ts';
import type { ActionSource } from '../db/schema.ts';
import { enqueue } from '../jobs/enqueue.ts';
import { newId } from '../lib/ids.ts';
import type { SourceName } from './alert.ts';
import {
  type AlertKey,
  type AuditEntry,
  audit,
  insertAlerts,
  lockByKeys,
  touchAlerts,
  updateAlerts,
} from './alert-store.ts';
import { applySignal, judgeSignal, type KnownAlert } from './apply-signal.ts';
import { changedJobs } from './changed.ts';
import { type RawDelivery, storeDeliveries } from './delivery-store.ts';
import type { DescribedSignal } from './describe.ts';
import { noteHeartbeats } from './heartbeat-store.ts';

/**
 * The way in. Requests that arrive while a commit is under way wait together and
 * share the next one: raw delivery, alerts, audit, decisions and jobs are written
 * in one transaction for all of them, and each is answered only after it
 * committed. PostgreSQL syncs its log once per commit, so sharing is what makes a
 * durable answer cheap.
 */

export type IntakeRequest = {
  source: SourceName;
  /** Who sent it, for the audit log: `token:<name>` or `signature`. */
  sender: string;
  door: ActionSource;
  receivedAt: Date;
  entries: IntakeEntry[];
  raw: RawDelivery;
  /** Left out by the sender for a limit of its own. */
  truncatedAlerts?: number;
  /** Given where the request was answered before it is stored; else one is made. */
  deliveryId?: string;
};

export type IntakeEntry =
  /** `alertId`: what a new alert is to be called where it was told before it is stored. */
  { ok: true; signal: DescribedSignal; alertId?: string } | { ok: false; reason: string };

export type EntryOutcome = 'created' | 'updated' | 'resolved' | 'ignored' | 'rejected';
export type EntryResult = { outcome: EntryOutcome; id?: string; fingerprint?: string; reason?: string };
export type IntakeResult = {
  ok: true;
  deliveryId: string;
  results: EntryResult[];
  truncatedAlerts?: number;
};

export type IntakeRefusal = {
  ok: false;
  /**
   * `full`: the queue is at its limit. `unavailable`: the database is away, or went away in the middle
   * of the commit, which may or may not have taken effect. `busy`: it is there, but nothing was stored.
   * `stopping`: the service is.
   */
  reason: 'full' | 'unavailable' | 'busy' | 'stopping';
};

type Waiting = {
  request: IntakeRequest;
  settle: (result: IntakeResult | IntakeRefusal) => void;
  fail: (error: unknown) => void;
};

/**
 * While PostgreSQL writes one commit the next is made ready, and a single session
 * cannot use more than one core of it. Requests about the same alert are never in
 * two at once: they are judged in the order of their arrival.
 */
const commitsAtOnce = 4;
/** Fewer alerts than this wait for the commit under way and share the next: each commit costs as much as writing a dozen of them. */
const worthACommit = 16;
/** But not longer than this: a large commit, or one that waits for a lock, holds up nobody else. */
const lateAfterMs = 20;

type Commit = { fingerprints: ReadonlySet<string>; late: boolean };

/** Runs inside the transaction of one request, before (`claim`) and after (`store`) its alerts are written. */
export type WithinCommit = {
  claim(tx: Tx): Promise<void>;
  store(tx: Tx, result: IntakeResult): Promise<void>;
};

export class Intake {
  readonly #db: Db;
  readonly #limits: { queuedAlerts: number; alertsPerCommit: number };
  readonly #observe: (committed: { request: IntakeRequest; result: IntakeResult }) => void;
  #queue: Waiting[] = [];
  #queuedAlerts = 0;
  readonly #underWay = new Map<Promise<void>, Commit>();
  #startsSoon = false;
  #stopping = false;

  constructor(options: {
    db: Db;
    limits: { queuedAlerts: number; alertsPerCommit: number };
    observe: (committed: { request: IntakeRequest; result: IntakeResult }) => void;
  }) {
    this.#db = options.db;
    this.#limits = options.limits;
    this.#observe = options.observe;
  }

  /** Resolves after the commit that holds the request, or at once with a refusal when it cannot be taken. */
  submit(request: IntakeRequest): Promise<IntakeResult | IntakeRefusal> {
    if (this.#stopping) return Promise.resolve({ ok: false, reason: 'stopping' });
    const size = Math.max(1, request.entries.length);
    // A request larger than the whole queue is still taken when nothing else waits.
    if (this.#queue.length > 0 && this.#queuedAlerts + size > this.#limits.queuedAlerts) {
      return Promise.resolve({ ok: false, reason: 'full' });
    }
    return new Promise((settle, fail) => {
      this.#queue.push({ request, settle, fail });
      this.#queuedAlerts += size;
      this.#startSoon();
    });
  }

  /** One request in a transaction of its own, together with something of the caller's. */
  async submitWith(request: IntakeRequest, within: WithinCommit): Promise<IntakeResult | IntakeRefusal> {
    if (this.#stopping) return { ok: false, reason: 'stopping' };
    try {
      const [result] = await this.#commit([request], within);
      if (result === undefined) throw new Error('a commit of one request gave no result');
      this.#observe({ request, result });
      return result;
    } catch (error) {
      const reason = passingReason(error);
      if (reason === null) throw error;
      return { ok: false, reason };
    }
  }

  /** Alerts now waiting for a commit. */
  get queuedAlerts(): number {
    return this.#queuedAlerts;
  }

  /** Takes nothing more and waits for what was taken. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#startCommits();
    while (this.#underWay.size > 0) await Promise.race(this.#underWay.keys());
  }

  /** Requests that become readable in this turn of the event loop join the same commit. */
  #startSoon(): void {
    if (this.#startsSoon || this.#underWay.size >= commitsAtOnce) return;
    this.#startsSoon = true;
    setImmediate(() => {
      this.#startsSoon = false;
      this.#startCommits();
    });
  }

  #startCommits(): void {
    while (this.#isTimeForAnother()) {
      const batch = this.#takeBatch();
      if (batch.length === 0) return;
      const fingerprints = new Set(batch.flatMap(({ request }) => fingerprintsOf(request)));
      const commit: Commit = { fingerprints, late: false };
      const timer = setTimeout(() => {
        commit.late = true;
        this.#startCommits();
      }, lateAfterMs);
      const work = this.#settle(batch).finally(() => {
        clearTimeout(timer);
        this.#underWay.delete(work);
        this.#startCommits();
      });
      this.#underWay.set(work, commit);
    }
  }

  #isTimeForAnother(): boolean {
    if (this.#underWay.size >= commitsAtOnce) return false;
    if (this.#queuedAlerts >= worthACommit) return true;
    return [...this.#underWay.values()].every((commit) => commit.late);
  }

  /** The first that wait, up to one that has to wait for a commit under way. */
  #takeBatch(): Waiting[] {
    let alerts = 0;
    let count = 0;
    for (const { request } of this.#queue) {
      const size = Math.max(1, request.entries.length);
      if (count > 0 && alerts + size > this.#limits.alertsPerCommit) break;
      if (this.#isUnderWay(request)) break;
      alerts += size;
      count += 1;
    }
    this.#queuedAlerts -= alerts;
    return this.#queue.splice(0, count);
  }

  /** Fingerprints alone decide: that another source uses the same one costs a wait, nothing else. */
  #isUnderWay(request: IntakeRequest): boolean {
    if (this.#underWay.size === 0) return false;
    const commits = [...this.#underWay.values()];
    return fingerprintsOf(request).some((fingerprint) =>
      commits.some((commit) => commit.fingerprints.has(fingerprint)),
    );
  }

  /** Commits a batch; one that is refused for its data falls apart until the poisoned request stands alone. */
  async #settle(batch: Waiting[]): Promise<void> {
    try {
      const results = await this.#commit(batch.map((waiting) => waiting.request));
      batch.forEach((waiting, position) => {
        const result = results[position];
        if (result === undefined) return waiting.fail(new Error('a commit gave fewer results than requests'));
        this.#finish(waiting, result);
      });
    } catch (error) {
      const reason = passingReason(error);
      if (reason !== null) {
        for (const waiting of batch) waiting.settle({ ok: false, reason });
      } else if (batch.length > 1) {
        const middle = Math.ceil(batch.length / 2);
        await this.#settle(batch.slice(0, middle));
        await this.#settle(batch.slice(middle));
      } else if (batch[0] !== undefined) {
        await this.#settleAlone(batch[0], error);
      }
    }
  }

  /** A request that cannot be stored as it is: entry by entry, so that one bad alert does not lose the others. */
  async #settleAlone(waiting: Waiting, cause: unknown): Promise<void> {
    const { request } = waiting;
    const suspects = request.entries.filter((entry) => entry.ok);
    if (databaseTrouble(cause) !== 'data' || suspects.length === 0) return waiting.fail(cause);
    try {
      const entries: IntakeEntry[] = [];
      for (const entry of request.entries) entries.push(await this.#tryOut(request, entry));
      const [result] = await this.#commit([{ ...request, entries }]);
      if (result === undefined) throw new Error('a commit of one request gave no result', { cause });
      this.#finish(waiting, result);
    } catch (error) {
      const reason = passingReason(error);
      if (reason !== null) waiting.settle({ ok: false, reason });
      else waiting.fail(error);
    }
  }

  #finish(waiting: Waiting, result: IntakeResult): void {
    waiting.settle(result);
    try {
      this.#observe({ request: waiting.request, result });
    } catch {
      // What is committed is committed: whoever counts must not have it committed again.
    }
  }

  async #tryOut(request: IntakeRequest, entry: IntakeEntry): Promise<IntakeEntry> {
    const rehearsal = new Error('rehearsal');
    try {
      await this.#db.transaction().execute(async (tx) => {
        await writeBatch(tx, [{ ...request, entries: [entry] }]);
        throw rehearsal;
      });
    } catch (error) {
      if (error === rehearsal) return entry;
      if (databaseTrouble(error) !== 'data') throw error;
      return { ok: false, reason: `the database refuses this alert: ${(error as Error).message}` };
    }
    return entry;
  }

  async #commit(requests: IntakeRequest[], within?: WithinCommit): Promise<IntakeResult[]> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#db.transaction().execute(async (tx) => {
          await within?.claim(tx);
          const results = await writeBatch(tx, requests);
          const [first] = results;
          if (within !== undefined && first !== undefined) await within.store(tx, first);
          return results;
        });
      } catch (error) {
        // Two processes can lock overlapping alerts in crossing order; one of them starts over.
        if (databaseTrouble(error) !== 'conflict' || attempt >= 5) throw error;
      }
    }
  }
}

function fingerprintsOf(request: IntakeRequest): string[] {
  return request.entries.flatMap((entry) => (entry.ok ? entry.signal.fingerprint : []));
}

/** The same again may well be stored: the sender is asked to come again. Null: it would not. */
function passingReason(error: unknown): 'unavailable' | 'busy' | null {
  const trouble = databaseTrouble(error);
  if (trouble === 'unavailable') return 'unavailable';
  return trouble === 'busy' || trouble === 'conflict' ? 'busy' : null;
}

/** One identity in the batch: what it was, what it became, and why. */
type Working = {
  before: KnownAlert | undefined;
  now: KnownAlert | undefined;
  incidentStillOpen: boolean;
  audits: AuditEntry[];
  tell: boolean;
  touchedOnly: boolean;
};

type PlannedSignal = {
  request: IntakeRequest;
  /** Of the whole request; `index` is the place of the alert in it. */
  result: IntakeResult;
  index: number;
  signal: DescribedSignal;
  alertId: string | undefined;
  key: string;
};

async function writeBatch(tx: Tx, requests: IntakeRequest[]): Promise<IntakeResult[]> {
  const written = requests.map((request) => ({ request, result: emptyResult(request) }));
  const planned = written.flatMap(({ request, result }) => plan(request, result));
  let open = planned;
  while (open.length > 0) {
    const working = await judge(tx, open);
    const missed = await write(tx, working);
    // An identity that another transaction inserted in the meantime is judged again, now that its row is visible.
    open = open.filter((item) => missed.has(item.key));
  }
  await storeDeliveries(tx, written);
  await noteHeartbeats(
    tx,
    planned
      .filter((item) => item.signal.mute === 'heartbeat' && item.signal.status === 'firing')
      .map((item) => ({
        source: item.request.source,
        tenant: item.signal.tenant,
        at: item.request.receivedAt,
      })),
  );
  return written.map(({ result }) => result);
}

/** What is refused is so already; every other place is filled when its alert is judged. */
function emptyResult(request: IntakeRequest): IntakeResult {
  return {
    ok: true,
    deliveryId: request.deliveryId ?? newId(),
    results: request.entries.map((entry) =>
      entry.ok ? { outcome: 'ignored' } : { outcome: 'rejected', reason: entry.reason },
    ),
    ...(request.truncatedAlerts === undefined ? {} : { truncatedAlerts: request.truncatedAlerts }),
  };
}

function plan(request: IntakeRequest, result: IntakeResult): PlannedSignal[] {
  return request.entries.flatMap((entry, index) => {
    if (!entry.ok) return [];
    const key = keyText({ source: request.source, ...pickKey(entry.signal) });
    return [{ request, result, index, signal: entry.signal, alertId: entry.alertId, key }];
  });
}

/** As the database will have it: it keeps no half characters, and two spellings of one row must not be two keys. */
function keyText(key: AlertKey): string {
  return JSON.stringify([key.source, key.tenant.toWellFormed(), key.fingerprint.toWellFormed()]);
}

async function judge(tx: Tx, planned: PlannedSignal[]): Promise<Map<string, Working>> {
  const keys = new Map(
    planned.map((item) => [item.key, { source: item.request.source, ...pickKey(item.signal) }]),
  );
  const locked = await lockByKeys(tx, [...keys.values()]);
  const working = new Map<string, Working>();
  for (const { alert, incidentStillOpen } of locked) {
    working.set(keyText(alert), {
      before: alert,
      now: alert,
      incidentStillOpen,
      audits: [],
      tell: false,
      touchedOnly: true,
    });
  }
  for (const item of planned) {
    const work: Working = working.get(item.key) ?? {
      before: undefined,
      now: undefined,
      incidentStillOpen: false,
      audits: [],
      tell: false,
      touchedOnly: true,
    };
    working.set(item.key, work);
    item.result.results[item.index] = applyOne(work, item);
  }
  return working;
}

function pickKey(signal: DescribedSignal): { tenant: string; fingerprint: string } {
  return { tenant: signal.tenant, fingerprint: signal.fingerprint };
}

function applyOne(work: Working, item: PlannedSignal): EntryResult {
  const { signal, request } = item;
  const verdict = judgeSignal(work.now, signal, request.receivedAt);
  if (verdict.kind === 'ignored') {
    return {
      outcome: 'ignored',
      ...(work.now === undefined ? {} : { id: work.now.id }),
      fingerprint: signal.fingerprint,
      reason: verdict.decision.reason,
    };
  }
  const before = work.now;
  const now = applySignal(before, signal, verdict.kind, {
    id: before?.id ?? item.alertId ?? newId(),
    source: request.source,
    receivedAt: request.receivedAt,
    incidentStillOpen: work.incidentStillOpen,
  });
  work.now = now;
  if (verdict.kind === 'repeated') {
    if (before !== undefined && textChanged(before, now)) work.touchedOnly = false;
    return { outcome: 'updated', id: now.id, fingerprint: signal.fingerprint };
  }
  work.touchedOnly = false;
  work.tell = true;
  work.audits.push({
    alertId: now.id,
    incidentId: now.incidentId,
    action: auditKinds[verdict.kind],
    userId: `source:${request.source}`,
    door: request.door,
    at: request.receivedAt,
    details: {
      deliveryId: item.result.deliveryId,
      index: item.index,
      sender: request.sender,
      severity: now.severity,
      ...(before !== undefined && before.severity !== now.severity && { severityBefore: before.severity }),
      ...(signal.stateReason === null ? {} : { stateReason: signal.stateReason }),
      decisions: [...signal.decisions, verdict.decision],
    },
  });
  return { outcome: outcomes[verdict.kind], id: now.id, fingerprint: signal.fingerprint };
}

const auditKinds = { created: 'create', refired: 'refire', changed: 'update', resolved: 'resolve' } as const;
const outcomes = {
  created: 'created',
  refired: 'updated',
  changed: 'updated',
  resolved: 'resolved',
} as const;

function textChanged(before: KnownAlert, now: KnownAlert): boolean {
  return (
    before.description !== now.description ||
    before.namespace !== now.namespace ||
    before.foldKey !== now.foldKey ||
    before.traceIds.join() !== now.traceIds.join() ||
    before.stateReason !== now.stateReason ||
    before.expiryGuessed !== now.expiryGuessed ||
    !sameMap(before.annotations, now.annotations) ||
    !sameMap(before.labels, now.labels) ||
    JSON.stringify(before.values) !== JSON.stringify(now.values) ||
    JSON.stringify(before.links) !== JSON.stringify(now.links)
  );
}

/** jsonb gives keys back in an order of its own. */
function sameMap(a: Record<string, string>, b: Record<string, string>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

/** Answers the identities that have to be judged again. */
async function write(tx: Tx, working: Map<string, Working>): Promise<Set<string>> {
  const all = [...working.entries()];
  const news = all.filter(([, work]) => work.before === undefined && work.now !== undefined);
  const inserted = await insertAlerts(
    tx,
    news.flatMap(([, work]) => (work.now === undefined ? [] : [work.now])),
  );
  const missed = new Set(news.filter(([, work]) => !inserted.has(work.now?.id ?? '')).map(([key]) => key));

  const known = all.filter(([, work]) => work.before !== undefined && work.now !== work.before);
  const present = (only: boolean): KnownAlert[] =>
    known.flatMap(([, work]) => (work.touchedOnly === only && work.now !== undefined ? [work.now] : []));
  await updateAlerts(tx, present(false));
  await touchAlerts(tx, present(true));

  const done = all.filter(([key]) => !missed.has(key)).map(([, work]) => work);
  await audit(
    tx,
    done.flatMap((work) => work.audits),
  );
  await enqueue(
    tx,
    changedJobs(done.flatMap((work) => (work.tell && work.now !== undefined ? [work.now] : []))),
  );
  return missed;
}
