import type {
  IncidentRef,
  ProviderCommand,
  ProviderFailure,
  ProviderState,
  RequestStatus,
  SubmitResult,
} from '../../incidents/provider.ts';
import { alertAction, createAlertBody } from './alert-payload.ts';
import { identifyAlert } from './identify.ts';
import type { OpsgenieAnswer } from './client.ts';
import { heldAlready } from '../../incidents/held-already.ts';
import { incidentMark } from './incident-mark.ts';
import { record, text, time } from './json.ts';
import { clipText, limits } from './limits.ts';
import { findNote, listNotes } from './notes.ts';
import { severityOf } from './priority.ts';
import type { OpsgenieContext, OpsgenieMode } from './provider.ts';
import { acceptedRequestId, readRequestOutcome } from './request-status.ts';

/**
 * One Opsgenie alert per incident of ours. Its alias makes opening idempotent:
 * there is at most one open alert per alias, a second create only counts up.
 * https://docs.opsgenie.com/docs/alert-api
 */
export function alertMode(context: OpsgenieContext): OpsgenieMode {
  const { client } = context;

  async function submit(command: ProviderCommand, signal: AbortSignal): Promise<SubmitResult> {
    if (command.kind === 'open') {
      const body = createAlertBody(command.ref.incidentId, command.incident, command.by, context);
      return accepted(await client.call('POST', '/v2/alerts', body, signal));
    }
    const { method, action, body } = alertAction(command, context);
    const { path, query } = alertPath(command.ref);
    return accepted(await client.call(method, `${path}/${action}${query}`, body, signal));
  }

  async function requestStatus(
    { requestId, command }: { requestId: string; command: ProviderCommand },
    signal: AbortSignal,
  ): Promise<RequestStatus | ProviderFailure> {
    const path = `/v2/alerts/requests/${encodeURIComponent(requestId)}`;
    const outcome = readRequestOutcome(await client.call('GET', path, undefined, signal), client.mask);
    if (!outcome.ok || outcome.state === 'pending') return outcome;
    if (outcome.state === 'failed') {
      const state = await read(command.ref, signal);
      if (!state.ok || state.externalId === null || !heldAlready(command, state)) return outcome;
      return { ok: true, state: 'done', externalId: state.externalId, externalUrl: state.externalUrl };
    }
    const externalId = outcome.id ?? command.ref.externalId;
    if (externalId === null) {
      return {
        ok: false,
        reason: 'unknown',
        code: 'no-id',
        detail: 'Opsgenie: the request succeeded without naming the alert',
      };
    }
    const { processedAt } = outcome;
    return { ok: true, state: 'done', externalId, externalUrl: context.urls.alert(externalId), processedAt };
  }

  async function read(ref: IncidentRef, signal: AbortSignal): Promise<ProviderState | ProviderFailure> {
    const { path, query } = alertPath(ref);
    const answer = await client.call('GET', path + query, undefined, signal);
    if (!answer.ok) return answer.code === '404' ? notFound : answer;
    return alertState(answer.body, context);
  }

  return {
    submit,
    requestStatus,
    read,
    identify: (externalId, signal) => identifyAlert(client, externalId, signal),
    hasNote: (ref, { text: wanted }, signal) => {
      const { path, query } = alertPath(ref);
      return findNote(client, `${path}/notes${query}`, clipText(wanted, limits.note), signal);
    },
    listNotes: (ref, signal) => {
      const { path, query } = alertPath(ref);
      return listNotes(client, `${path}/notes${query}`, ref.externalId ?? '', signal);
    },
  };
}

/** By id as soon as it is known: the alias finds only an open alert. */
function alertPath(ref: IncidentRef): { path: string; query: string } {
  const [identifier, type] =
    ref.externalId === null ? [incidentMark(ref.incidentId), 'alias'] : [ref.externalId, 'id'];
  return { path: `/v2/alerts/${encodeURIComponent(identifier)}`, query: `?identifierType=${type}` };
}

/** A 2xx of a command: nothing but "queued", with the id to ask for. */
export function accepted(answer: OpsgenieAnswer): SubmitResult {
  if (!answer.ok) return answer;
  const requestId = acceptedRequestId(answer);
  if (requestId !== null) return { ok: true, state: 'accepted', requestId };
  return {
    ok: false,
    reason: 'unknown',
    code: 'no-request-id',
    detail: 'Opsgenie: accepted without a request id',
  };
}

export const notFound: ProviderState = {
  ok: true,
  found: false,
  externalId: null,
  externalUrl: null,
  status: null,
  severity: null,
  assignee: null,
  updatedAt: null,
};

/** Reads `GET /v2/alerts/{id}`. A closed alert keeps `acknowledged: true`: closed wins. */
export function alertState(
  body: unknown,
  context: Pick<OpsgenieContext, 'priorities' | 'urls'>,
): ProviderState | ProviderFailure {
  const alert = record(record(body)['data']);
  const id = text(alert['id']);
  if (id === null)
    return { ok: false, reason: 'unknown', code: 'no-alert', detail: 'Opsgenie: the answer holds no alert' };
  return {
    ok: true,
    found: true,
    externalId: id,
    externalUrl: context.urls.alert(id),
    status: alertStatus(alert),
    ...(alert['status'] === 'closed' && { ended: 'resolved' as const }),
    severity: severityOf(alert['priority'], context.priorities),
    assignee: text(alert['owner']),
    updatedAt: time(alert['updatedAt']),
  };
}

function alertStatus(alert: Record<string, unknown>): ProviderState['status'] {
  if (alert['status'] === 'closed') return 'closed';
  if (alert['status'] !== 'open') return null;
  return alert['acknowledged'] === true ? 'acknowledged' : 'open';
}
