import type {
  IncidentRef,
  NoteThere,
  ProviderCommand,
  ProviderFailure,
  ProviderState,
  RequestStatus,
  SubmitResult,
} from '../../incidents/provider.ts';
import { accepted, notFound } from './alert-mode.ts';
import { type ActionCommand, alertAction } from './alert-payload.ts';
import { heldAlready } from '../../incidents/held-already.ts';
import { createIncidentBody } from './incident-payload.ts';
import { identifyPagingAlert } from './identify.ts';
import { findIncidentByTag, listMarked } from './incident-search.ts';
import { record, text, time } from './json.ts';
import { clipText, limits } from './limits.ts';
import { findNote, listNotes } from './notes.ts';
import { type OwnerAlert, findOwnerAlert } from './owner-alert.ts';
import { severityOf } from './priority.ts';
import type { OpsgenieContext, OpsgenieMode } from './provider.ts';
import { readRequestOutcome } from './request-status.ts';

/**
 * One Opsgenie incident per incident of ours. The vendor has no key that makes
 * creating idempotent, so opening searches for our tag first. The search index
 * lags: after an open with unknown outcome, call `read({incidentId, externalId:
 * null})` for about a minute and open again only when it still finds nothing.
 *
 * An incident itself knows no acknowledgement and no owner; they belong to the
 * alert that pages its owner team, so those commands go there.
 */
export function incidentMode(context: OpsgenieContext): OpsgenieMode {
  const { client } = context;

  async function submit(command: ProviderCommand, signal: AbortSignal): Promise<SubmitResult> {
    if (command.kind === 'open') return open(command.ref.incidentId, command, signal);
    const id = await externalIdOf(command.ref, signal);
    if (typeof id !== 'string') return id;
    if (command.kind === 'acknowledge' || command.kind === 'assign') return onOwnerAlert(id, command, signal);
    const { action, body } = incidentAction(command, context);
    return accepted(await client.call('POST', `${incidentPath(id)}/${action}`, body, signal));
  }

  async function open(
    incidentId: string,
    command: Extract<ProviderCommand, { kind: 'open' }>,
    signal: AbortSignal,
  ): Promise<SubmitResult> {
    const existing = await findIncidentByTag(client, incidentId, signal);
    if (!existing.ok) return nothingSent(existing);
    if (existing.incident !== null) {
      const state = incidentState(existing.incident, context);
      if (state.externalId !== null)
        return { ok: true, state: 'done', externalId: state.externalId, externalUrl: state.externalUrl };
    }
    const body = createIncidentBody(incidentId, command.incident, context);
    return accepted(await client.call('POST', '/v1/incidents/create', body, signal));
  }

  async function onOwnerAlert(
    id: string,
    command: Extract<ActionCommand, { kind: 'acknowledge' | 'assign' }>,
    signal: AbortSignal,
  ): Promise<SubmitResult> {
    const owner = await findOwnerAlert(client, id, signal);
    if (!owner.ok) return nothingSent(owner);
    if (owner.alert === null) {
      const what = command.kind === 'assign' ? 'owner' : 'acknowledgement';
      return {
        ok: false,
        reason: 'rejected',
        code: 'no-responder-alert',
        detail: `an Opsgenie incident has no ${what} of its own, and this one has no responder alert to carry it`,
      };
    }
    const { action, body } = alertAction(command, context);
    const path = `/v2/alerts/${encodeURIComponent(owner.alert.id)}/${action}?identifierType=id`;
    return accepted(await client.call('POST', path, body, signal));
  }

  async function requestStatus(
    { requestId, command }: { requestId: string; command: ProviderCommand },
    signal: AbortSignal,
  ): Promise<RequestStatus | ProviderFailure> {
    const viaAlert = command.kind === 'acknowledge' || command.kind === 'assign';
    const path = `${viaAlert ? '/v2/alerts' : '/v1/incidents'}/requests/${encodeURIComponent(requestId)}`;
    const outcome = readRequestOutcome(await client.call('GET', path, undefined, signal), client.mask);
    if (!outcome.ok || outcome.state === 'pending') return outcome;
    if (outcome.state === 'failed') {
      const state = await read(command.ref, signal);
      if (!state.ok || state.externalId === null || !heldAlready(command, state)) return outcome;
      return { ok: true, state: 'done', externalId: state.externalId, externalUrl: state.externalUrl };
    }
    // A request to the alert names the alert; what we hold is the incident.
    const id = viaAlert ? await externalIdOf(command.ref, signal) : (outcome.id ?? command.ref.externalId);
    if (id === null) {
      return {
        ok: false,
        reason: 'unknown',
        code: 'no-id',
        detail: 'Opsgenie: the request succeeded without naming the incident',
      };
    }
    if (typeof id !== 'string') return id;
    const { processedAt } = outcome;
    return {
      ok: true,
      state: 'done',
      externalId: id,
      externalUrl: await webUrlOf(id, signal),
      processedAt,
    };
  }

  /** The incident's own link knows the account's address; the guess stands in when it cannot be read just now. */
  async function webUrlOf(id: string, signal: AbortSignal): Promise<string> {
    const answer = await client.call('GET', `${incidentPath(id)}?identifierType=id`, undefined, signal);
    const incident = answer.ok ? record(record(answer.body)['data']) : {};
    return incidentState({ ...incident, id }, context).externalUrl ?? context.urls.incident(id);
  }

  async function read(ref: IncidentRef, signal: AbortSignal): Promise<ProviderState | ProviderFailure> {
    const incident = await readIncident(ref, signal);
    if (!incident.ok) return incident;
    if (incident.data === null) return notFound;
    const state = incidentState(incident.data, context);
    if (state.externalId === null) {
      return {
        ok: false,
        reason: 'unknown',
        code: 'no-incident',
        detail: 'Opsgenie: the answer holds no incident',
      };
    }
    if (state.status !== 'open') return state;
    const owner = await findOwnerAlert(client, state.externalId, signal);
    const partial: ProviderState = { ...state, partial: true };
    if (owner.ok) return owner.alert === null ? partial : withOwner(state, owner.alert);
    // Without the right to read alerts the incident's own state is all there is. Else a passing failure would look like "no longer acknowledged".
    return owner.reason === 'auth' || owner.reason === 'rejected' ? partial : owner;
  }

  async function readIncident(
    ref: IncidentRef,
    signal: AbortSignal,
  ): Promise<{ ok: true; data: Record<string, unknown> | null } | ProviderFailure> {
    if (ref.externalId === null) {
      const found = await findIncidentByTag(client, ref.incidentId, signal);
      return found.ok ? { ok: true, data: found.incident } : found;
    }
    const answer = await client.call(
      'GET',
      `${incidentPath(ref.externalId)}?identifierType=id`,
      undefined,
      signal,
    );
    if (!answer.ok) return answer.code === '404' ? { ok: true, data: null } : answer;
    return { ok: true, data: record(record(answer.body)['data']) };
  }

  async function externalIdOf(ref: IncidentRef, signal: AbortSignal): Promise<string | ProviderFailure> {
    if (ref.externalId !== null) return ref.externalId;
    const found = await findIncidentByTag(client, ref.incidentId, signal);
    if (!found.ok) return nothingSent(found);
    const id = text(found.incident?.['id']);
    if (id !== null) return id;
    return {
      ok: false,
      reason: 'unavailable',
      code: 'not-found-yet',
      detail: 'Opsgenie: no incident with our tag yet; its search lags',
    };
  }

  /** People write on the incident, of which no webhook tells, and on the alert that pages for it. */
  async function allNotes(
    ref: IncidentRef,
    signal: AbortSignal,
  ): Promise<{ ok: true; items: NoteThere[] } | ProviderFailure> {
    const id = await externalIdOf(ref, signal);
    if (typeof id !== 'string') return id;
    const own = await listNotes(client, `${incidentPath(id)}/notes`, id, signal);
    if (!own.ok) return own;
    const owner = await findOwnerAlert(client, id, signal);
    if (!owner.ok || owner.alert === null) return own;
    const path = `/v2/alerts/${encodeURIComponent(owner.alert.id)}/notes?identifierType=id`;
    const paged = await listNotes(client, path, owner.alert.id, signal);
    return paged.ok ? { ok: true, items: [...own.items, ...paged.items] } : own;
  }

  return {
    submit,
    requestStatus,
    read,
    searchLagMs,
    identify: (externalId, signal) => identifyPagingAlert(client, externalId, signal),
    hasNote: async (ref, note, signal) => {
      const id = await externalIdOf(ref, signal);
      if (typeof id !== 'string') return id;
      return findNote(client, `${incidentPath(id)}/notes`, incidentNote(note), signal);
    },
    listNotes: allNotes,
    listOpen: (signal) =>
      listMarked(client, (incident) => incidentState(incident, context).externalUrl, signal),
  };
}

/** The index behind the search was never promised to be quicker. */
const searchLagMs = 60_000;

/** An incident's actions take no user: the note says who it was. */
function incidentNote({ text: said, by }: { text: string; by: string }): string {
  return `${by}: ${clipText(said, limits.note)}`;
}

function incidentPath(id: string): string {
  return `/v1/incidents/${encodeURIComponent(id)}`;
}

/** Resolve, not close: closing is the end of the postmortem there and a person's decision. */
function incidentAction(
  command: Exclude<ActionCommand, { kind: 'acknowledge' | 'assign' }>,
  context: OpsgenieContext,
): { action: string; body: Record<string, unknown> } {
  const { action, body } = alertAction(command, context);
  if (command.kind === 'set-severity') return { action, body };
  const { note: said } = body;
  const note = typeof said === 'string' ? incidentNote({ text: said, by: command.by }) : `by ${command.by}`;
  return { action: command.kind === 'close' ? 'resolve' : action, body: { note } };
}

/** The look before the command failed, so the command was surely not applied. */
function nothingSent(failure: ProviderFailure): ProviderFailure {
  return failure.reason === 'unknown' ? { ...failure, reason: 'unavailable' } : failure;
}

/** Reads an incident as `GET /v1/incidents/{id}` and the list show it. */
export function incidentState(
  incident: Record<string, unknown>,
  context: Pick<OpsgenieContext, 'priorities' | 'urls'>,
): ProviderState {
  const id = text(incident['id']);
  const { status } = incident;
  return {
    ok: true,
    found: true,
    externalId: id,
    externalUrl: webLink(incident) ?? (id === null ? null : context.urls.incident(id)),
    status: status === 'open' ? 'open' : status === 'resolved' || status === 'closed' ? 'closed' : null,
    ...((status === 'resolved' || status === 'closed') && { ended: status }),
    severity: severityOf(incident['priority'], context.priorities),
    assignee: null,
    updatedAt: time(incident['updatedAt']),
  };
}

function webLink(incident: Record<string, unknown>): string | null {
  const link = text(record(incident['links'])['web']);
  return link !== null && /^https?:\/\//i.test(link) ? link : null;
}

function withOwner(state: ProviderState, owner: OwnerAlert): ProviderState {
  const later = owner.updatedAt !== null && (state.updatedAt === null || owner.updatedAt > state.updatedAt);
  return {
    ...state,
    status: owner.acknowledged ? 'acknowledged' : state.status,
    assignee: owner.owner,
    updatedAt: later ? owner.updatedAt : state.updatedAt,
  };
}
