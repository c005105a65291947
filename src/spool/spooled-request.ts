import type { DescribedSignal } from '../alerts/describe.ts';
import type { IntakeRequest } from '../alerts/intake.ts';
import { sealed, unsealed } from './sealed-text.ts';

/** A request as it lies in the spool: all that the intake needs, and the key that makes its repeats one. */
export type SpooledRequest = {
  request: IntakeRequest & { deliveryId: string };
  idempotency: IdempotencyClaim | null;
};

/** As in `api/idempotency.ts`. */
export type IdempotencyClaim = { owner: string; key: string; requestHash: Buffer };

const magic = 'gomon-spool-1';

/** Sealed JSON: what passes has the shape we wrote. */
export function toFileText({ request, idempotency }: SpooledRequest): string {
  const body = JSON.stringify({
    request: { ...request, raw: { ...request.raw, body: request.raw.body.toString('base64') } },
    idempotency: idempotency && { ...idempotency, requestHash: idempotency.requestHash.toString('base64') },
  });
  return sealed(magic, body);
}

/** Null: not a whole file of ours. */
export function fromFileText(text: string): SpooledRequest | null {
  const body = unsealed(magic, text);
  if (body === null) return null;
  const { request, idempotency } = JSON.parse(body) as Stored;
  return {
    request: {
      ...request,
      receivedAt: new Date(request.receivedAt),
      entries: request.entries.map((entry) =>
        entry.ok ? { ...entry, signal: revived(entry.signal) } : entry,
      ),
      raw: { ...request.raw, body: Buffer.from(request.raw.body, 'base64') },
    },
    idempotency: idempotency && {
      ...idempotency,
      requestHash: Buffer.from(idempotency.requestHash, 'base64'),
    },
  };
}

/** As JSON has it: times are texts, bytes base64. */
type Stored = {
  request: Omit<SpooledRequest['request'], 'receivedAt' | 'raw'> & {
    receivedAt: string;
    raw: Omit<IntakeRequest['raw'], 'body'> & { body: string };
  };
  idempotency: (Omit<IdempotencyClaim, 'requestHash'> & { requestHash: string }) | null;
};

function revived(signal: DescribedSignal): DescribedSignal {
  const time = (value: Date | string | null): Date | null => (value === null ? null : new Date(value));
  return {
    ...signal,
    startsAt: time(signal.startsAt),
    endsAt: time(signal.endsAt),
    expiresAt: time(signal.expiresAt),
  };
}
