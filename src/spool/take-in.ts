import type { Intake, WithinCommit } from '../alerts/intake.ts';
import { findDelivery } from '../alerts/delivery-store.ts';
import { DatabaseAwayError, databaseTrouble } from '../db/errors.ts';
import type { Db, Tx } from '../db/pool.ts';
import type { Clock } from '../lib/clock.ts';
import { adoptPosted, type PostedBefore } from '../notify/adopt-posted.ts';
import { fromFileText, type IdempotencyClaim, type SpooledRequest } from './spooled-request.ts';
import type { SpoolFolder } from './spool-folder.ts';
import { messagesTold, type ToldMessage } from './told.ts';

/**
 * Takes one spooled request into the database, with the messages that were posted
 * for it, in one transaction; then its file is removed. A crash in between leaves
 * the file, and the delivery of its id says that it was taken in already.
 */
export type TakeInDependencies = {
  db: Db;
  /** On the same database as `db`. */
  intake: Intake;
  folder: SpoolFolder;
  clock: Clock;
  notifier: string;
  /** Claims the `Idempotency-Key` of a request in its transaction. */
  claim: (claim: IdempotencyClaim, at: Date) => WithinCommit;
};

export type TakenIn =
  | { outcome: 'stored' | 'stored-before' | 'gone' }
  /** It can never be stored: out of the way, for a person to look at. */
  | { outcome: 'set-aside'; file: string; reason: string };

/** Throws when the database is away: the file is then left as it is. */
export async function takeIn(deps: TakeInDependencies, id: string): Promise<TakenIn> {
  const file = await deps.folder.read(id);
  if (file.is === 'gone') return { outcome: 'gone' };
  if (file.is === 'unreadable') return setAside(deps.folder, id, file.reason);
  const spooled = fromFileText(file.text);
  if (spooled === null) return setAside(deps.folder, id, 'it is not a whole file of the spool');
  const told = messagesTold(await deps.folder.notes(id));
  if (await isStored(deps, spooled)) return storedBefore(deps, id, spooled, told);
  try {
    await store(deps, spooled, told);
  } catch (error) {
    if (isPassing(error)) throw error;
    // Another process that shares the folder was quicker.
    if (await isStored(deps, spooled)) return storedBefore(deps, id, spooled, told);
    return setAside(deps.folder, id, error instanceof Error ? error.message : String(error));
  }
  await deps.folder.remove(id);
  return { outcome: 'stored' };
}

async function isStored({ db }: TakeInDependencies, { request }: SpooledRequest): Promise<boolean> {
  return (await findDelivery(db, request.deliveryId)) !== undefined;
}

async function storedBefore(
  deps: TakeInDependencies,
  id: string,
  spooled: SpooledRequest,
  told: ToldMessage[],
): Promise<TakenIn> {
  await deps.db.transaction().execute((tx) => adopt(deps, tx, spooled, told));
  await deps.folder.remove(id);
  return { outcome: 'stored-before' };
}

/** The same again may succeed. */
export function isPassing(error: unknown): boolean {
  const trouble = databaseTrouble(error);
  return trouble !== 'data' && trouble !== 'other';
}

async function store(deps: TakeInDependencies, spooled: SpooledRequest, told: ToldMessage[]): Promise<void> {
  const { request, idempotency } = spooled;
  const claim = idempotency === null ? null : deps.claim(idempotency, request.receivedAt);
  const within: WithinCommit = {
    claim: async (tx) => claim?.claim(tx),
    store: async (tx, result) => {
      await claim?.store(tx, result);
      await adopt(deps, tx, spooled, told);
    },
  };
  try {
    const result = await deps.intake.submitWith(request, within);
    if (!result.ok) throw new DatabaseAwayError(result.reason);
  } catch (error) {
    if (databaseTrouble(error) !== 'data') throw error;
    // One of its alerts is refused, or its key was stored before the outage after all: without the key, and
    // alert by alert. What was told is entered afterwards; a crash in between is mended by the next start.
    const result = await deps.intake.submit(request);
    if (!result.ok) throw new DatabaseAwayError(result.reason);
    await deps.db.transaction().execute((tx) => adopt(deps, tx, spooled, told));
  }
}

async function adopt(
  deps: TakeInDependencies,
  tx: Tx,
  { request }: SpooledRequest,
  told: ToldMessage[],
): Promise<void> {
  const messages = told.flatMap((message): PostedBefore[] => {
    const entry = request.entries[message.index];
    if (entry?.ok !== true) return [];
    const { tenant, fingerprint } = entry.signal;
    return [
      {
        ...message,
        alert: { source: request.source, tenant, fingerprint },
        notifier: deps.notifier,
        receivedAt: request.receivedAt,
      },
    ];
  });
  await adoptPosted(tx, messages, deps.clock.now());
}

export async function setAside(folder: SpoolFolder, id: string, reason: string): Promise<TakenIn> {
  const file = await folder.setAside(id);
  return file === null ? { outcome: 'gone' } : { outcome: 'set-aside', file, reason };
}
