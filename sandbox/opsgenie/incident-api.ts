import { pageOfNotes, withoutUndefined } from './alert-api.ts';
import { type ApiCall, type Answer, type Route, notFound, unprocessable } from './answer.ts';
import type { IncidentAction, Incidents } from './incidents.ts';
import type { Requests } from './requests.ts';
import { search } from './search.ts';
import { type OpsgenieState, type SandboxIncident, iso } from './state.ts';
import { BodyCheck } from './validate.ts';

const responderTypes = ['team', 'user'];
const apiUser = 'GoMon API';

/** The Incident API, with the calls the published specification leaves out. */
export function incidentRoutes(
  state: OpsgenieState,
  incidents: Incidents,
  requests: Requests,
  origin: () => string,
): Route[] {
  const one = /^\/v1\/incidents\/([^/]+)$/;
  const show = (incident: SandboxIncident) => shownIncident(incident, origin());
  return [
    { method: 'POST', path: /^\/v1\/incidents\/create$/, answer: create },
    {
      method: 'GET',
      path: /^\/v1\/incidents\/?$/,
      answer: ({ query }) => search([...state.incidents.values()], query, `${origin()}/v1/incidents`, show),
    },
    {
      method: 'GET',
      path: /^\/v1\/incidents\/requests\/([^/]+)$/,
      answer: ({ params }) => requests.ask(params[0] ?? '', ['incidentId']),
    },
    { method: 'GET', path: one, answer: (call) => read(call, (incident) => ({ data: show(incident) })) },
    {
      method: 'GET',
      path: sub('notes'),
      answer: (call) => read(call, ({ notes }) => ({ data: pageOfNotes(notes, call.query) })),
    },
    {
      method: 'GET',
      path: sub('logs'),
      answer: (call) =>
        read(call, ({ log }) => ({ data: log.map((line, at) => ({ ...line, offset: String(at) })) })),
    },
    {
      method: 'GET',
      path: sub('responder-alert-ids'),
      answer: (call) => read(call, ({ responderAlertIds }) => ({ data: responderAlertIds })),
    },
    { method: 'GET', path: sub('associated-alert-ids'), answer: (call) => read(call, () => ({ data: [] })) },
    { method: 'DELETE', path: one, answer: (call) => act(call, 'Delete', () => ({ kind: 'delete' })) },
    ...actions.map(({ name, read: readAction }) => ({
      method: 'POST',
      path: sub(name),
      answer: (call: ApiCall) => act(call, name, readAction),
    })),
  ];

  function create({ body }: ApiCall): Answer {
    const check = new BodyCheck(body);
    const message = check.text('message', 130, 'required');
    const rest = {
      description: check.text('description', 15_000),
      responders: check.responders('responders', responderTypes),
      tags: check.texts('tags', 20, 50),
      details: check.details('details'),
      priority: check.priority(),
      note: check.text('note', 25_000),
      impactedServices: check.texts('impactedServices', 50, 100),
    };
    if (check.failed || message === undefined) return unprocessable(check.errors);
    return requests.accept('Create', () => {
      const incident = incidents.create({ message, ...withoutUndefined(rest) });
      return { ok: true, status: 'Created incident', ids: { incidentId: incident.id } };
    });
  }

  function act({ body, params, query }: ApiCall, name: string, readAction: ReadAction): Answer {
    const type = query.get('identifierType') ?? 'id';
    if (!['id', 'tiny'].includes(type))
      return unprocessable({ identifierType: 'identifierType should be one of [id, tiny].' });
    const check = new BodyCheck(body);
    const action = readAction(check);
    if (check.failed || action === null) return unprocessable(check.errors);
    return requests.accept(name, () => {
      const outcome = incidents.apply(incidents.find(params[0] ?? '', type), action, apiUser);
      return outcome.ok
        ? { ok: true, status: outcome.status, ids: { incidentId: outcome.incident.id } }
        : { ...outcome, ids: {} };
    });
  }

  function read(
    { params, query }: ApiCall,
    present: (incident: SandboxIncident) => Record<string, unknown>,
  ): Answer {
    const incident = incidents.find(params[0] ?? '', query.get('identifierType') ?? 'id');
    return incident === undefined
      ? notFound('Incident does not exist')
      : { status: 200, body: present(incident) };
  }
}

function sub(name: string): RegExp {
  return new RegExp(`^/v1/incidents/([^/]+)/${name}$`);
}

type ReadAction = (check: BodyCheck) => IncidentAction | null;

const withNote = (kind: 'resolve' | 'close' | 'reopen'): { name: string; read: ReadAction } => ({
  name: kind,
  read: (check) => {
    const note = check.text('note', 25_000);
    return note === undefined ? { kind } : { kind, note };
  },
});

const actions: { name: string; read: ReadAction }[] = [
  withNote('resolve'),
  withNote('close'),
  withNote('reopen'),
  {
    name: 'notes',
    read: (check) => given(check.text('note', 25_000, 'required'), (note) => ({ kind: 'add-note', note })),
  },
  {
    name: 'priority',
    read: (check) => given(check.priority('required'), (priority) => ({ kind: 'priority', priority })),
  },
  {
    name: 'message',
    read: (check) => given(check.text('message', 130, 'required'), (text) => ({ kind: 'message', text })),
  },
  {
    name: 'description',
    read: (check) =>
      given(check.text('description', 15_000, 'required'), (text) => ({ kind: 'description', text })),
  },
  {
    name: 'tags',
    read: (check) => given(check.texts('tags', 20, 50), (tags) => ({ kind: 'add-tags', tags })),
  },
  {
    name: 'details',
    read: (check) => given(check.details('details'), (details) => ({ kind: 'add-details', details })),
  },
  {
    // An array under the singular name; an alert takes one object under it.
    name: 'responders',
    read: (check) =>
      given(check.responders('responder', responderTypes), (responders) => ({
        kind: 'add-responders',
        responders,
      })),
  },
];

function given<T>(value: T | undefined, build: (value: T) => IncidentAction): IncidentAction | null {
  return value === undefined ? null : build(value);
}

/** What was sent as `details` comes back as `extraProperties`. */
function shownIncident(incident: SandboxIncident, origin: string): Record<string, unknown> {
  const { id, description, impactedServices, tinyId, message, status, tags, priority, responders, details } =
    incident;
  return {
    id,
    description,
    impactedServices,
    tinyId,
    message,
    status,
    tags,
    createdAt: iso(incident.createdAtMs),
    updatedAt: iso(incident.updatedAtMs),
    priority,
    ownerTeam: responders.find(({ type }) => type === 'team')?.id ?? '',
    responders: responders.map((responder) => ({ type: responder.type, id: responder.id })),
    extraProperties: details,
    links: { web: `${origin}/incident/detail/${id}`, api: `${origin}/v1/incidents/${id}` },
    impactStartDate: iso(incident.createdAtMs),
    ...(status !== 'open' && { impactEndDate: iso(incident.updatedAtMs) }),
    actions: [],
  };
}
