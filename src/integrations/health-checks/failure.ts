import { forbiddenAddress } from '../../lib/forbidden-address.ts';
import type { CertificateFacts, ProbeOutcome } from '../../health-checks/health-check.ts';

/** Why a look failed, for people; never a header, a query or a body. */
export function failed(detail: string, certificate: CertificateFacts | null = null): ProbeOutcome {
  return { ok: false, detail, certificate };
}

export function passed(detail: string, certificate: CertificateFacts | null = null): ProbeOutcome {
  return { ok: true, detail, certificate };
}

const words: Record<string, string> = {
  ECONNREFUSED: 'The connection was refused',
  ECONNRESET: 'The connection was reset',
  EHOSTUNREACH: 'There is no way to the host',
  ENETUNREACH: 'There is no way to the network',
  ENOTFOUND: 'The name does not resolve',
  EAI_AGAIN: 'The name could not be resolved',
  ENODATA: 'The name has no record of this type',
  ESERVFAIL: 'The name server failed',
  EREFUSED: 'The name server refused the question',
  ETIMEOUT: 'The name server did not answer',
  EPIPE: 'The connection was closed',
  UND_ERR_SOCKET: 'The connection was closed before the answer was complete',
  UND_ERR_HEADERS_OVERFLOW: 'The headers of the answer are too long',
  HPE_INVALID_CONSTANT: 'The answer is not HTTP',
  [forbiddenAddress]:
    'The address is link-local or a metadata service, which is not reached without allowLinkLocal',
};

/** @param timedOut whether the time of the check had run out */
export function failureOf(error: unknown, timedOut: { afterMs: number } | null): ProbeOutcome {
  if (timedOut !== null) return failed(`There was no answer within ${timedOut.afterMs} ms`);
  const code = codeOf(error) ?? 'unknown error';
  const text = words[code];
  return failed(text === undefined ? `The connection failed (${code})` : `${text} (${code})`);
}

/** Happy eyeballs reports one error per address: the first stands for all. */
function codeOf(error: unknown, depth = 0): string | undefined {
  if (!(error instanceof Error) || depth > 4) return undefined;
  if (error instanceof AggregateError) return codeOf(error.errors[0], depth + 1);
  if ('code' in error && typeof error.code === 'string') return error.code.slice(0, 60);
  return codeOf(error.cause, depth + 1);
}
