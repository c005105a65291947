import { setTimeout as wait } from 'node:timers/promises';
import type { Updateable } from 'kysely';
import { persist } from '../db/persist.ts';
import type { Db, Tx } from '../db/pool.ts';
import type { IncidentCommandsTable } from '../db/schema.ts';
import { fromStorable, fromStorableJson, toStorable, toStorableJson } from '../db/text.ts';
import { enqueue } from '../jobs/enqueue.ts';
import type { Clock } from '../lib/clock.ts';
import { backoffMs } from '../lib/backoff.ts';
import { auditSync, confirmCommand } from './confirm.ts';
import { findOpened } from './find-opened.ts';
import { heldAlready } from './held-already.ts';
import { unsettledStates } from './incident-commands.ts';
import { type CommandPayload, syncJob } from './incident-store.ts';
import { nextOf } from './next-command.ts';
import { pauseMs, pauseProvider, providerLane } from './provider-pause.ts';
import type { IncidentProvider, ProviderCommand, ProviderFailure, SubmitResult } from './provider.ts';

/**
 * Works off what is to be said to the provider about one incident, in order (what
 * overtakes what: `next-command.ts`), one process at a time. A command goes pending → accepted (the vendor queued it) →
 * confirmed or failed; after an outcome we do not know it is `unknown` until the
 * vendor's state tells. Nothing is ever called inside a transaction, and whatever
 * is called may be called twice: opening carries our id as the vendor's key.
 */
export type SyncDependencies = {
  db: Db;
  provider: IncidentProvider;
  clock: Clock;
  observe: (outcome: 'confirmed' | 'failed' | 'retried', command: string, detail: string) => void;
  /** The name of this process, whose claims others take over when it is gone (`gone-claims.ts`). */
  claimedBy?: string;
  /** Waits within a run; a timer when absent. */
  pause?: (ms: number, signal: AbortSignal) => Promise<void>;
};

/** A claim older than this was left by a process that died: a run is over before (`timeoutMs` of the job). */
const claimForMs = 60_000;
/** A request that the vendor rejects after working on it is given up after so many times. */
const maxRefusals = 5;
/** A request that is not worked on within about half a minute is taken for lost. */
const maxPolls = 12;
/** What is not even answered so often is not asked any more: about a minute by the growing waits. */
const maxFailedAsks = 6;
/** After so many vain questions, one and a half and about six seconds long, what was to be opened is looked for itself: it may be there long before the vendor says so. */
const looksWhilePolling = new Set([4, 6]);
/** A note whose outcome is unknown is looked for so often before it is said again. */
const looksForNote = 2;
/** How long one run waits for the vendor's queue before it comes back later. */
const pollWithinRunMs = 4_000;
type Command = {
  id: string;
  incidentId: string;
  payload: CommandPayload;
  by: string;
  state: 'pending' | 'accepted' | 'unknown';
  requestId: string | null;
  attempts: number;
  polls: number;
  refusals: number;
  submittedAt: Date | null;
  nextAt: Date;
  externalId: string | null;
  connectionId: string | null;
  externalKind: string | null;
  /** The vendor asked for silence until then. */
  pausedUntil: Date | null;
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
    .set({ sync_claimed_at: claimedAt, sync_claimed_by: deps.claimedBy ?? null })
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
    const release = async (): Promise<void> => {
      await db
        .updateTable('incidents')
        .set({ sync_claimed_at: null, sync_claimed_by: null })
        .where('id', '=', incidentId)
        .where('sync_claimed_at', '=', claimedAt)
        .execute();
    };
    await persist(release, { withinMs: claimForMs / 2, signal });
  }
  if (resumeAt !== null) await comeBack(deps, incidentId, resumeAt);
}

/** Gives every incident back. Only for when nobody is at work: what is claimed was claimed by a process that died. */
export async function releaseSyncClaims(db: Db): Promise<void> {
  await db
    .updateTable('incidents')
    .set({ sync_claimed_at: null, sync_claimed_by: null })
    .where('sync_claimed_at', 'is not', null)
    .execute();
}

async function comeBack(deps: SyncDependencies, incidentId: string, at: Date): Promise<void> {
  const delayMs = Math.max(0, at.getTime() - deps.clock.now().getTime());
  const incident = await deps.db
    .selectFrom('incidents')
    .select(['id', 'severity'])
    .where('id', '=', incidentId)
    .executeTakeFirst();
  if (incident !== undefined) await enqueue(deps.db, [{ ...syncJob(incident), delayMs }]);
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
    const { next: command, moot } = nextOf(await waitingCommands(deps, incidentId), deps.clock.now());
    if (moot.length > 0) {
      for (const one of moot) await giveUp(deps, one, 'the incident is being closed');
      continue;
    }
    if (command === null) return null;
    const stranger = foreignTo(deps.provider, command);
    if (stranger !== null) {
      await fail(deps, command, stranger);
      continue;
    }
    const at = later(command.nextAt, command.pausedUntil);
    const waitMs = at.getTime() - deps.clock.now().getTime();
    if (waitMs > 0) {
      if (deps.clock.now().getTime() + waitMs > until) return at;
      await (deps.pause ?? pauseByTimer)(waitMs, signal);
      continue;
    }
    await step(deps, command, signal);
  }
}

function later(a: Date, b: Date | null): Date {
  return b !== null && b > a ? b : a;
}

/** Why the provider in use is not the one this incident was opened at; null when it is. */
function foreignTo(provider: IncidentProvider, command: Command): string | null {
  const { connectionId, externalKind } = command;
  if (connectionId !== provider.connectionId) {
    return `the incident was opened at ${connectionId ?? 'another provider'}, and the provider in use is ${provider.connectionId}`;
  }
  if (externalKind === null || externalKind === provider.externalKind) return null;
  return `the incident was opened in mode "${externalKind}", and the mode in use is "${provider.externalKind}"`;
}

/** It was refused so far, and is not worth another try. */
async function giveUp(deps: SyncDependencies, command: Command, why: string): Promise<void> {
  await change(deps.db, command, { state: 'superseded', last_error: why }, deps.clock.now());
}

/** In the order they were wished for. More than these wait only where nothing gets through anyway. */
const queueLength = 100;

async function waitingCommands({ db, provider }: SyncDependencies, incidentId: string): Promise<Command[]> {
  const rows = await db
    .selectFrom('incident_commands as c')
    .innerJoin('incidents as i', 'i.id', 'c.incident_id')
    .leftJoin('send_budgets as b', (join) => join.on('b.lane', '=', providerLane(provider.connectionId)))
    .select([
      'c.id',
      'c.incident_id',
      'c.payload',
      'c.requested_by',
      'c.state',
      'c.request_id',
      'c.attempts',
      'c.polls',
      'c.refusals',
      'c.submitted_at',
      'c.next_at',
      'i.external_id',
      'i.connection_id',
      'i.external_kind',
      'b.paused_until',
    ])
    .where('c.incident_id', '=', incidentId)
    .where('c.state', 'in', unsettledStates)
    .orderBy('c.created_at')
    .orderBy('c.id')
    .limit(queueLength)
    .execute();
  return rows.map((row) => ({
    id: row.id,
    incidentId: row.incident_id,
    payload: fromStorableJson(row.payload) as CommandPayload,
    by: fromStorable(row.requested_by),
    state: row.state as Command['state'],
    requestId: row.request_id,
    attempts: row.attempts,
    polls: row.polls,
    refusals: row.refusals,
    submittedAt: row.submitted_at,
    nextAt: row.next_at,
    externalId: row.external_id,
    connectionId: row.connection_id,
    externalKind: row.external_kind,
    pausedUntil: row.paused_until,
  }));
}

function toProviderCommand(command: Command): ProviderCommand {
  const { payload } = command;
  const twin = payload.kind === 'close' ? payload.twin : undefined;
  return {
    ...payload,
    ref: { incidentId: command.incidentId, externalId: twin ?? command.externalId },
    by: command.by,
  };
}

async function step(deps: SyncDependencies, command: Command, signal: AbortSignal): Promise<void> {
  if (command.state === 'accepted' && command.requestId !== null)
    return poll(deps, command, command.requestId, signal);
  if (command.state === 'unknown' && (await settled(deps, command, signal))) return;
  if (doubles(command) && !(await assumeUnknown(deps, command))) return;
  const result = await deps.provider.submit(toProviderCommand(command), signal);
  await afterSubmit(deps, command, result);
}

/** Said twice, these are there twice; the rest only sets again what is set. */
function doubles({ payload }: Command): boolean {
  return payload.kind === 'open' || payload.kind === 'add-note';
}

/** Until the answer is written down the outcome is not known: whoever takes over after a crash looks before saying it again. False when it is over meanwhile. */
async function assumeUnknown(deps: SyncDependencies, command: Command): Promise<boolean> {
  const now = deps.clock.now();
  return change(deps.db, command, { state: 'unknown', polls: 0, submitted_at: now }, now);
}

/**
 * Nobody knows whether it was done: looks before it is said again. False when it
 * surely was not, or when saying it again does no harm.
 */
async function settled(deps: SyncDependencies, command: Command, signal: AbortSignal): Promise<boolean> {
  const { kind } = command.payload;
  if (kind === 'open') return lookForOpened(deps, command, signal);
  if (kind === 'add-note') return lookForNote(deps, command, command.payload, signal);
  const said = toProviderCommand(command);
  const state = await deps.provider.read(said.ref, signal);
  if (!state.ok) {
    await retryLater(deps, command, state, 'looking');
    return true;
  }
  if (state.externalId === null || !heldAlready(said, state)) return false;
  await confirm(deps, command, { externalId: state.externalId, externalUrl: state.externalUrl });
  return true;
}

/** Only when it is surely not there, it is opened again: where opening has no key, for as long as a search may lag. */
async function lookForOpened(
  deps: SyncDependencies,
  command: Command,
  signal: AbortSignal,
): Promise<boolean> {
  const state = await findOpened(deps, command.incidentId, signal);
  if (!state.ok) {
    await retryLater(deps, command, state, 'looking');
    return true;
  }
  if (state.found && state.externalId !== null) {
    await confirm(deps, command, { externalId: state.externalId, externalUrl: state.externalUrl });
    return true;
  }
  const { searchLagMs = 0 } = deps.provider;
  const since = command.submittedAt ?? new Date(0);
  if (deps.clock.now().getTime() - since.getTime() >= searchLagMs) return false;
  await lookAgain(deps, command, Math.min(2_000 * 2 ** command.polls, 10_000));
  return true;
}

async function lookForNote(
  deps: SyncDependencies,
  command: Command,
  note: { text: string },
  signal: AbortSignal,
): Promise<boolean> {
  if (deps.provider.hasNote === undefined) return false;
  const { ref, by } = toProviderCommand(command);
  const answer = await deps.provider.hasNote(ref, { text: note.text, by }, signal);
  if (!answer.ok) {
    await retryLater(deps, command, answer, 'looking');
    return true;
  }
  if (answer.found && ref.externalId !== null) {
    await confirm(deps, command, { externalId: ref.externalId, externalUrl: null });
    return true;
  }
  if (command.polls >= looksForNote) return false;
  await lookAgain(deps, command, 1_500);
  return true;
}

async function lookAgain(deps: SyncDependencies, command: Command, delayMs: number): Promise<void> {
  const now = deps.clock.now();
  await change(
    deps.db,
    command,
    { polls: command.polls + 1, next_at: new Date(now.getTime() + delayMs) },
    now,
  );
}

async function afterSubmit(deps: SyncDependencies, command: Command, result: SubmitResult): Promise<void> {
  const now = deps.clock.now();
  if (!result.ok) {
    if (result.reason === 'rejected')
      return afterRejection(deps, command, `${result.code}: ${result.detail}`);
    return retryLater(deps, command, result, result.reason === 'unknown' ? 'lost' : 'refused');
  }
  if (result.state === 'done') return confirm(deps, command, result);
  await change(
    deps.db,
    command,
    {
      state: 'accepted',
      request_id: result.requestId,
      attempts: command.attempts + 1,
      polls: 0,
      submitted_at: now,
      next_at: new Date(now.getTime() + pollDelayMs(0)),
    },
    now,
  );
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
  await change(
    deps.db,
    command,
    {
      state: 'pending',
      payload: toStorableJson({ ...payload, incident: { ...payload.incident, responders: [] } }),
      last_error: toStorable(`refused with its responders: ${detail}`).slice(0, 1_000),
      attempts: command.attempts + 1,
    },
    now,
  );
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
  if (!status.ok) {
    if (!isPassing(status) && command.polls >= maxFailedAsks) return loseTrack(deps, command, status);
    return retryLater(deps, command, status, 'asking');
  }
  if (status.state === 'done') return confirm(deps, command, status);
  if (status.state === 'pending') {
    if (command.payload.kind === 'open' && looksWhilePolling.has(command.polls)) {
      const there = await findOpened(deps, command.incidentId, signal);
      if (!there.ok) return retryLater(deps, command, there, 'asking');
      if (there.found && there.externalId !== null)
        return confirm(deps, command, { externalId: there.externalId, externalUrl: there.externalUrl });
    }
    // A request that is never processed is submitted again; opening twice opens one thing.
    const lost = command.polls >= maxPolls;
    await change(
      deps.db,
      command,
      {
        polls: lost ? 0 : command.polls + 1,
        next_at: new Date(now.getTime() + pollDelayMs(command.polls + 1)),
        ...(lost ? { state: 'unknown' as const, request_id: null } : {}),
      },
      now,
    );
    return;
  }
  const refusals = command.refusals + 1;
  if (refusals >= maxRefusals) return afterRejection(deps, command, status.detail);
  deps.observe('retried', command.payload.kind, status.detail);
  await change(
    deps.db,
    command,
    {
      state: 'pending',
      request_id: null,
      refusals,
      last_error: toStorable(status.detail),
      next_at: new Date(now.getTime() + backoffMs(refusals)),
    },
    now,
  );
}

/**
 * - `lost`: handed over, and nobody knows whether it was done.
 * - `refused`: handed over in vain, surely not done.
 * - `looking`, `asking`: only a question failed; that is no further try.
 */
type Stage = 'lost' | 'refused' | 'looking' | 'asking';

/** Nothing is wrong with the question: it is not the time for any. */
function isPassing({ reason }: ProviderFailure): boolean {
  return reason === 'rate-limited' || reason === 'held';
}

/** The question is answered wrongly again and again: what became of the request is looked for where it shows. */
async function loseTrack(deps: SyncDependencies, command: Command, failure: ProviderFailure): Promise<void> {
  const now = deps.clock.now();
  const last_error = toStorable(`${failure.reason}: ${failure.code} ${failure.detail}`).slice(0, 1_000);
  await change(
    deps.db,
    command,
    { state: 'unknown', request_id: null, polls: 0, last_error, next_at: now },
    now,
  );
}

/** What the vendor names may be longer. */
function retryDelayMs(failure: ProviderFailure, tries: number): number {
  const named = failure.retryAfterMs ?? 0;
  switch (failure.reason) {
    case 'rate-limited':
      return pauseMs(failure);
    case 'held':
      return Math.max(named, 1_000);
    case 'auth':
      return Math.max(named, 60_000);
    case 'unavailable':
    case 'unknown':
    case 'rejected':
      return Math.max(named, backoffMs(tries));
  }
}

async function retryLater(
  deps: SyncDependencies,
  command: Command,
  failure: ProviderFailure,
  stage: Stage,
): Promise<void> {
  const now = deps.clock.now();
  const question = stage === 'looking' || stage === 'asking';
  const next = new Date(now.getTime() + retryDelayMs(failure, question ? command.polls : command.attempts));
  if (failure.reason === 'rate-limited') await pauseProvider(deps.db, deps.provider.connectionId, next, now);
  const passing = isPassing(failure);
  if (failure.reason !== 'held')
    deps.observe('retried', command.payload.kind, `${failure.reason} ${failure.code}`);
  await change(
    deps.db,
    command,
    {
      // Whoever looked in vain before must look again: what is refused now says nothing about then.
      state: stage === 'lost' ? 'unknown' : command.state,
      ...(stage === 'lost' ? { polls: 0, submitted_at: now } : {}),
      ...(stage === 'asking' && !passing ? { polls: command.polls + 1 } : {}),
      ...(question || passing ? {} : { attempts: command.attempts + 1 }),
      last_error: toStorable(`${failure.reason}: ${failure.code} ${failure.detail}`).slice(0, 1_000),
      next_at: next,
    },
    now,
  );
}

async function confirm(
  deps: SyncDependencies,
  command: Command,
  outcome: { externalId: string; externalUrl: string | null; processedAt?: Date | null },
): Promise<void> {
  const { db, provider, clock } = deps;
  const confirmed = await confirmCommand(db, provider, command, outcome, clock.now());
  if (confirmed) deps.observe('confirmed', command.payload.kind, '');
}

async function fail(deps: SyncDependencies, command: Command, detail: string): Promise<void> {
  const now = deps.clock.now();
  const failed = await deps.db.transaction().execute(async (tx) => {
    const changes = { state: 'failed' as const, last_error: toStorable(detail).slice(0, 1_000) };
    const changed = await change(tx, command, changes, now);
    if (!changed) return false;
    const details = { failed: command.payload.kind, reason: detail };
    await auditSync(tx, deps.provider.name, command.incidentId, details, now);
    return true;
  });
  if (failed) deps.observe('failed', command.payload.kind, detail);
}

/** Writes what became of a command. False when it is over meanwhile: confirmed by what was found there, or taken back. */
async function change(
  db: Db | Tx,
  command: Command,
  changes: Updateable<IncidentCommandsTable>,
  now: Date,
): Promise<boolean> {
  const row = await db
    .updateTable('incident_commands')
    .set({ ...changes, updated_at: now })
    .where('id', '=', command.id)
    .where('state', 'in', unsettledStates)
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}
