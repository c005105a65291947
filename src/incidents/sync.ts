import { setTimeout as wait } from 'node:timers/promises';
import { audit } from '../alerts/alert-store.ts';
import { changedJobs } from '../alerts/changed.ts';
import type { Db, Tx } from '../db/pool.ts';
import { fromStorable, fromStorableJson, toStorable, toStorableJson } from '../db/text.ts';
import { enqueue } from '../jobs/enqueue.ts';
import type { Clock } from '../lib/clock.ts';
import { backoffMs } from '../lib/backoff.ts';
import { membersOf } from './incident-queries.ts';
import type { CommandPayload } from './incident-store.ts';
import type { IncidentProvider, ProviderCommand, ProviderFailure, SubmitResult } from './provider.ts';

/**
 * Works off what is to be said to the provider about one incident, in order, one
 * process at a time. A command goes pending → accepted (the vendor queued it) →
 * confirmed or failed; after an outcome we do not know it is `unknown` until the
 * vendor's state tells. Nothing is ever called inside a transaction, and whatever
 * is called may be called twice: opening carries our id as the vendor's key.
 */
export type SyncDependencies = {
  db: Db;
  provider: IncidentProvider;
  clock: Clock;
  observe: (outcome: 'confirmed' | 'failed' | 'retried', command: string, detail: string) => void;
  /** Waits within a run; a timer when absent. */
  pause?: (ms: number, signal: AbortSignal) => Promise<void>;
};

/** A claim older than this was left by a process that died: a run is over before (`timeoutMs` of the job). */
const claimForMs = 60_000;
/** A request that the vendor rejects after working on it is submitted anew this often. */
const maxSubmits = 5;
/** How long one run waits for the vendor's queue before it comes back later. */
const pollWithinRunMs = 4_000;
/** Vendors that name no period on 429: Opsgenie counts per minute. */
const rateLimitedMs = 60_000;

type Command = {
  id: string;
  incidentId: string;
  payload: CommandPayload;
  by: string;
  state: 'pending' | 'accepted' | 'unknown';
  requestId: string | null;
  attempts: number;
  polls: number;
  nextAt: Date;
  externalId: string | null;
};

export async function syncIncident(
  deps: SyncDependencies,
  incidentId: string,
  signal: AbortSignal,
): Promise<void> {
  const { db, clock } = deps;
  const claimedAt = clock.now();
  const claimed = await db
    .updateTable('incidents')
    .set({ sync_claimed_at: claimedAt })
    .where('id', '=', incidentId)
    .where((where) =>
      where.or([
        where('sync_claimed_at', 'is', null),
        where('sync_claimed_at', '<', new Date(claimedAt.getTime() - claimForMs)),
      ]),
    )
    .returning('id')
    .executeTakeFirst();
  if (claimed === undefined) return comeBack(deps, incidentId, new Date(claimedAt.getTime() + 1_000));
  let resumeAt: Date | null;
  try {
    resumeAt = await workOff(deps, incidentId, signal);
  } finally {
    // Ours only: one that took too long may have lost it to another process.
    await db
      .updateTable('incidents')
      .set({ sync_claimed_at: null })
      .where('id', '=', incidentId)
      .where('sync_claimed_at', '=', claimedAt)
      .execute();
  }
  if (resumeAt !== null) await comeBack(deps, incidentId, resumeAt);
}

/** Gives every incident back. Only for when nobody is at work: what is claimed was claimed by a process that died. */
export async function releaseSyncClaims(db: Db): Promise<void> {
  await db
    .updateTable('incidents')
    .set({ sync_claimed_at: null })
    .where('sync_claimed_at', 'is not', null)
    .execute();
}

async function comeBack(deps: SyncDependencies, incidentId: string, at: Date): Promise<void> {
  const delayMs = Math.max(0, at.getTime() - deps.clock.now().getTime());
  await enqueue(deps.db, [
    { task: 'incident.sync', payload: { incidentId }, delayMs, key: `incident.sync:${incidentId}` },
  ]);
}

async function pauseByTimer(ms: number, signal: AbortSignal): Promise<void> {
  await wait(ms, undefined, { signal });
}

/** Answers when to come back, or null when everything is said. */
async function workOff(
  deps: SyncDependencies,
  incidentId: string,
  signal: AbortSignal,
): Promise<Date | null> {
  const until = deps.clock.now().getTime() + pollWithinRunMs;
  for (;;) {
    signal.throwIfAborted();
    const command = await nextCommand(deps.db, incidentId);
    if (command === null) return null;
    const waitMs = command.nextAt.getTime() - deps.clock.now().getTime();
    if (waitMs > 0) {
      if (deps.clock.now().getTime() + waitMs > until) return command.nextAt;
      await (deps.pause ?? pauseByTimer)(waitMs, signal);
      continue;
    }
    await step(deps, command, signal);
  }
}

async function nextCommand(db: Db, incidentId: string): Promise<Command | null> {
  const row = await db
    .selectFrom('incident_commands as c')
    .innerJoin('incidents as i', 'i.id', 'c.incident_id')
    .select([
      'c.id',
      'c.incident_id',
      'c.payload',
      'c.requested_by',
      'c.state',
      'c.request_id',
      'c.attempts',
      'c.polls',
      'c.next_at',
      'i.external_id',
    ])
    .where('c.incident_id', '=', incidentId)
    .where('c.state', 'in', ['pending', 'accepted', 'unknown'])
    .orderBy('c.created_at')
    .orderBy('c.id')
    .limit(1)
    .executeTakeFirst();
  if (row === undefined) return null;
  return {
    id: row.id,
    incidentId: row.incident_id,
    payload: fromStorableJson(row.payload) as CommandPayload,
    by: fromStorable(row.requested_by),
    state: row.state as Command['state'],
    requestId: row.request_id,
    attempts: row.attempts,
    polls: row.polls,
    nextAt: row.next_at,
    externalId: row.external_id,
  };
}

function toProviderCommand(command: Command): ProviderCommand {
  return {
    ...command.payload,
    ref: { incidentId: command.incidentId, externalId: command.externalId },
    by: command.by,
  };
}

async function step(deps: SyncDependencies, command: Command, signal: AbortSignal): Promise<void> {
  if (command.state === 'accepted' && command.requestId !== null)
    return poll(deps, command, command.requestId, signal);
  if (command.state === 'unknown' && command.payload.kind === 'open') {
    const found = await lookForOpened(deps, command, signal);
    if (found) return;
  }
  if (command.payload.kind === 'open' && command.state !== 'unknown') await assumeUnknown(deps, command);
  const result = await deps.provider.submit(toProviderCommand(command), signal);
  await afterSubmit(deps, command, result);
}

/** Until the answer is written down the outcome is not known: whoever takes over after a crash looks before opening again. */
async function assumeUnknown(deps: SyncDependencies, command: Command): Promise<void> {
  await deps.db
    .updateTable('incident_commands')
    .set({ state: 'unknown', updated_at: deps.clock.now() })
    .where('id', '=', command.id)
    .execute();
}

/** After an unknown outcome the thing may be there: only when it is not, it is opened again. */
async function lookForOpened(
  deps: SyncDependencies,
  command: Command,
  signal: AbortSignal,
): Promise<boolean> {
  const state = await deps.provider.read({ incidentId: command.incidentId, externalId: null }, signal);
  if (!state.ok) {
    await retryLater(deps, command, state, 'unknown');
    return true;
  }
  if (!state.found || state.externalId === null) return false;
  await confirm(deps, command, { externalId: state.externalId, externalUrl: state.externalUrl });
  return true;
}

async function afterSubmit(deps: SyncDependencies, command: Command, result: SubmitResult): Promise<void> {
  const now = deps.clock.now();
  if (!result.ok) {
    if (result.reason === 'rejected')
      return afterRejection(deps, command, `${result.code}: ${result.detail}`);
    return retryLater(deps, command, result, result.reason === 'unknown' ? 'unknown' : 'pending');
  }
  if (result.state === 'done') return confirm(deps, command, result);
  await deps.db
    .updateTable('incident_commands')
    .set({
      state: 'accepted',
      request_id: result.requestId,
      attempts: command.attempts + 1,
      polls: 0,
      next_at: new Date(now.getTime() + pollDelayMs(0)),
      updated_at: now,
    })
    .where('id', '=', command.id)
    .execute();
}

/**
 * What the vendor refuses once it refuses always. Only opening is tried once more
 * without the responders: a team that was renamed must not leave a P1 without an
 * incident, and the vendor's own routing still finds somebody.
 */
async function afterRejection(deps: SyncDependencies, command: Command, detail: string): Promise<void> {
  const { payload } = command;
  if (payload.kind !== 'open' || payload.incident.responders.length === 0) return fail(deps, command, detail);
  const now = deps.clock.now();
  deps.observe('retried', payload.kind, `${detail}; opened without its responders instead`);
  await deps.db
    .updateTable('incident_commands')
    .set({
      state: 'pending',
      payload: toStorableJson({ ...payload, incident: { ...payload.incident, responders: [] } }),
      last_error: toStorable(`refused with its responders: ${detail}`).slice(0, 1_000),
      attempts: command.attempts + 1,
      updated_at: now,
    })
    .where('id', '=', command.id)
    .execute();
}

/** The vendor's queue usually needs well under a second; then it is asked ever less often. */
function pollDelayMs(polls: number): number {
  return Math.min(100 * 2 ** polls, 5_000);
}

async function poll(
  deps: SyncDependencies,
  command: Command,
  requestId: string,
  signal: AbortSignal,
): Promise<void> {
  const status = await deps.provider.requestStatus(
    { requestId, command: toProviderCommand(command) },
    signal,
  );
  const now = deps.clock.now();
  if (!status.ok) return retryLater(deps, command, status, 'accepted');
  if (status.state === 'done') return confirm(deps, command, status);
  if (status.state === 'pending') {
    // A request that is never processed is submitted again; opening twice opens one thing.
    const lost = command.polls >= 20;
    await deps.db
      .updateTable('incident_commands')
      .set({
        polls: command.polls + 1,
        next_at: new Date(now.getTime() + pollDelayMs(command.polls + 1)),
        updated_at: now,
        ...(lost ? { state: 'unknown' as const, request_id: null } : {}),
      })
      .where('id', '=', command.id)
      .execute();
    return;
  }
  if (command.attempts >= maxSubmits) return afterRejection(deps, command, status.detail);
  deps.observe('retried', command.payload.kind, status.detail);
  await deps.db
    .updateTable('incident_commands')
    .set({
      state: 'pending',
      request_id: null,
      last_error: toStorable(status.detail),
      next_at: new Date(now.getTime() + backoffMs(command.attempts)),
      updated_at: now,
    })
    .where('id', '=', command.id)
    .execute();
}

/** What the vendor names may be longer. */
function retryDelayMs(failure: ProviderFailure, attempts: number): number {
  if (failure.reason === 'rate-limited') return failure.retryAfterMs === undefined ? rateLimitedMs : 1_000;
  return failure.reason === 'auth' ? 60_000 : backoffMs(attempts);
}

async function retryLater(
  deps: SyncDependencies,
  command: Command,
  failure: ProviderFailure,
  state: Command['state'],
): Promise<void> {
  const now = deps.clock.now();
  // Asking what became of a request is no further try: those are counted apart.
  const asked = state === 'accepted';
  const delayMs = Math.max(
    retryDelayMs(failure, asked ? command.polls : command.attempts),
    failure.retryAfterMs ?? 0,
  );
  deps.observe('retried', command.payload.kind, `${failure.reason} ${failure.code}`);
  await deps.db
    .updateTable('incident_commands')
    .set({
      state,
      ...(asked ? { polls: command.polls + 1 } : { attempts: command.attempts + 1 }),
      last_error: toStorable(`${failure.reason}: ${failure.code} ${failure.detail}`).slice(0, 1_000),
      next_at: new Date(now.getTime() + delayMs),
      updated_at: now,
    })
    .where('id', '=', command.id)
    .execute();
}

async function confirm(
  deps: SyncDependencies,
  command: Command,
  outcome: { externalId: string; externalUrl: string | null },
): Promise<void> {
  const now = deps.clock.now();
  const opened = command.payload.kind === 'open';
  await deps.db.transaction().execute(async (tx) => {
    await tx
      .updateTable('incident_commands')
      .set({ state: 'confirmed', last_error: null, updated_at: now })
      .where('id', '=', command.id)
      .execute();
    if (!opened) return;
    await tx
      .updateTable('incidents')
      .set({
        external_kind: deps.provider.externalKind,
        external_id: outcome.externalId,
        external_url: outcome.externalUrl,
        updated_at: now,
      })
      .where('id', '=', command.incidentId)
      .execute();
    await auditSync(tx, deps, command, { opened: outcome.externalId, url: outcome.externalUrl }, now);
    const members = await membersOf(tx, [command.incidentId]);
    await enqueue(tx, changedJobs(members.filter((member) => member.archivedAt === null)));
  });
  deps.observe('confirmed', command.payload.kind, '');
}

/** What the provider did with a command belongs to the history of the incident. */
async function auditSync(
  tx: Tx,
  deps: SyncDependencies,
  command: Command,
  details: Record<string, unknown>,
  at: Date,
): Promise<void> {
  await audit(tx, [
    {
      alertId: null,
      incidentId: command.incidentId,
      action: 'sync',
      userId: 'system',
      door: 'system',
      details: { provider: deps.provider.name, ...details },
      at,
    },
  ]);
}

async function fail(deps: SyncDependencies, command: Command, detail: string): Promise<void> {
  const now = deps.clock.now();
  await deps.db.transaction().execute(async (tx) => {
    await tx
      .updateTable('incident_commands')
      .set({ state: 'failed', last_error: toStorable(detail).slice(0, 1_000), updated_at: now })
      .where('id', '=', command.id)
      .execute();
    await auditSync(tx, deps, command, { failed: command.payload.kind, reason: detail }, now);
  });
  deps.observe('failed', command.payload.kind, detail);
}
