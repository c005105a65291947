import type { IntakeRefusal, IntakeRequest, IntakeResult } from '../alerts/intake.ts';
import { databaseTrouble } from '../db/errors.ts';
import type { Spooled } from '../spool/spool.ts';
import type { IdempotencyClaim } from '../spool/spooled-request.ts';
import type { SpooledAnswer } from './contract/alert.ts';
import { ProblemError, unavailable } from './problem.ts';

/** What the doors need of the spool. */
export type SpoolDoor = {
  /** Looks at the database now. */
  isAway(): Promise<boolean>;
  take(request: IntakeRequest, idempotency: IdempotencyClaim | null): Promise<Spooled>;
};

export type Stored = { kind: 'stored'; result: IntakeResult } | { kind: 'spooled'; answer: SpooledAnswer };

/** Stores a request or, while the database is away and there is a spool, spools it if it is urgent; else a 503. */
export async function storeOrSpool(
  spool: SpoolDoor | null,
  request: IntakeRequest,
  store: () => Promise<IntakeResult | IntakeRefusal>,
  idempotency: IdempotencyClaim | null = null,
): Promise<Stored> {
  const first = await attempt(store);
  const isSuspect = !first.ok && (first.reason === 'unavailable' || first.reason === 'busy');
  if (!isSuspect || spool === null) return { kind: 'stored', result: accepted(first) };
  // A connection that broke is not yet a database that is away. One that hangs looks busy at first.
  if (!(await spool.isAway())) {
    return { kind: 'stored', result: accepted(first.reason === 'busy' ? first : await attempt(store)) };
  }
  const spooled = await spool.take(request, idempotency);
  if (!spooled.ok) throw refusalOf(spooled.reason, idempotency);
  const { deliveryId, received } = spooled;
  return { kind: 'spooled', answer: { spooled: true, deliveryId, received } };
}

async function attempt(
  store: () => Promise<IntakeResult | IntakeRefusal>,
): Promise<IntakeResult | IntakeRefusal> {
  try {
    return await store();
  } catch (error) {
    const trouble = databaseTrouble(error);
    if (trouble === 'unavailable' || trouble === 'busy') return { ok: false, reason: trouble };
    throw error;
  }
}

function refusalOf(
  reason: Exclude<Spooled, { ok: true }>['reason'],
  idempotency: IdempotencyClaim | null,
): ProblemError {
  switch (reason) {
    case 'not-urgent':
      return unavailable(
        'The database is not reachable, and only P0 and P1 are spooled meanwhile. Send again.',
      );
    case 'full':
      return unavailable(
        'The database is not reachable, and the spool is full. Nothing was stored; send again.',
      );
    case 'failed':
      return unavailable(
        'Neither the database nor the spool can be written. Nothing was stored; send again.',
      );
    case 'other-request':
      return otherRequest(idempotency?.key ?? '');
    default:
      return reason satisfies never;
  }
}

export function otherRequest(key: string): ProblemError {
  return new ProblemError({
    status: 422,
    detail: `The Idempotency-Key "${key}" was used for another body; use a new key for a new request.`,
  });
}

/** What was stored, or the 503 that says why nothing was. */
export function accepted(result: IntakeResult | IntakeRefusal): IntakeResult {
  if (result.ok) return result;
  switch (result.reason) {
    case 'full':
      throw unavailable(
        'More alerts wait to be stored than the intake queue takes. Nothing was stored; send again.',
        2,
      );
    case 'stopping':
      throw unavailable('The service is stopping. Nothing was stored; send again.', 5);
    case 'unavailable':
      throw unavailable('The database is not reachable. Send again; what was stored already counts once.');
    case 'busy':
      throw unavailable('The database is busy. Nothing was stored; send again.', 2);
    default:
      return result.reason satisfies never;
  }
}
