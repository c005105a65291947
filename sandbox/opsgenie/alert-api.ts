import type { Actor, AlertAction, Alerts } from './alerts.ts';
import { type ApiCall, type Answer, type Route, notFound, unprocessable } from './answer.ts';
import type { Requests } from './requests.ts';
import { search } from './search.ts';
import { type OpsgenieState, type SandboxAlert, type SandboxNote, iso } from './state.ts';
import { BodyCheck } from './validate.ts';

const responderTypes = ['team', 'user', 'escalation', 'schedule'];

/** The Alert API: reads at once, writes through a request. */
export function alertRoutes(
  state: OpsgenieState,
  alerts: Alerts,
  requests: Requests,
  origin: () => string,
): Route[] {
  const one = /^\/v2\/alerts\/([^/]+)$/;
  return [
    { method: 'POST', path: /^\/v2\/alerts$/, answer: create },
    {
      method: 'GET',
      path: /^\/v2\/alerts$/,
      answer: ({ query }) =>
        search([...state.alerts.values()], query, `${origin()}/v2/alerts`, (alert) => shortAlert(alert)),
    },
    {
      method: 'GET',
      path: /^\/v2\/alerts\/requests\/([^/]+)$/,
      answer: ({ params }) => requests.ask(params[0] ?? '', ['alertId', 'alias']),
    },
    { method: 'GET', path: one, answer: (call) => read(call, (alert) => ({ data: fullAlert(alert) })) },
    {
      method: 'GET',
      path: /^\/v2\/alerts\/([^/]+)\/notes$/,
      answer: (call) => read(call, (alert) => ({ data: pageOfNotes(alert.notes, call.query) })),
    },
    {
      method: 'GET',
      path: /^\/v2\/alerts\/([^/]+)\/logs$/,
      answer: (call) =>
        read(call, (alert) => ({
          data: alert.log.map((line, at) => ({ ...line, type: 'system', offset: String(at) })),
        })),
    },
    { method: 'DELETE', path: one, answer: (call) => act(call, 'Delete', () => ({ kind: 'delete' })) },
    ...actions.map(({ method, name, read: readAction }) => ({
      method,
      path: new RegExp(`^/v2/alerts/([^/]+)/${name}$`),
      answer: (call: ApiCall) => act(call, name, readAction),
    })),
  ];

  function create({ body }: ApiCall): Answer {
    const check = new BodyCheck(body);
    const message = check.text('message', 130, 'required');
    const rest = {
      alias: check.text('alias', 512),
      description: check.text('description', 15_000),
      responders: check.responders('responders', responderTypes),
      tags: check.texts('tags', 20, 50),
      actions: check.texts('actions', 10, 50),
      details: check.details('details'),
      entity: check.text('entity', 512),
      source: check.text('source', 100),
      priority: check.priority(),
      note: check.text('note', 25_000),
    };
    const actor = readActor(check);
    if (check.failed || message === undefined) return unprocessable(check.errors);
    return requests.accept('Create', () => {
      const alert = alerts.create({ message, ...withoutUndefined(rest) }, actor);
      return { ok: true, status: 'Created alert', ids: idsOf(alert) };
    });
  }

  function act({ body, params, query }: ApiCall, name: string, readAction: ReadAction): Answer {
    const type = query.get('identifierType') ?? 'id';
    if (!['id', 'alias', 'tiny'].includes(type))
      return unprocessable({ identifierType: 'identifierType should be one of [id, alias, tiny].' });
    const check = new BodyCheck(body);
    const actor = readActor(check);
    const note = name === 'notes' ? undefined : check.text('note', 25_000);
    const action = readAction(check, params, query);
    if (check.failed || action === null) return unprocessable(check.errors);
    return requests.accept(name, () => {
      const alert = alerts.find(params[0] ?? '', type);
      const outcome = alerts.apply(alert, action, actor);
      if (!outcome.ok) return { ...outcome, ids: {} };
      if (note) alerts.apply(alert, { kind: 'add-note', note }, actor);
      return { ok: true, status: outcome.status, ids: idsOf(outcome.alert) };
    });
  }

  function read({ params, query }: ApiCall, show: (alert: SandboxAlert) => Record<string, unknown>): Answer {
    const alert = alerts.find(params[0] ?? '', query.get('identifierType') ?? 'id');
    return alert === undefined ? notFound('Alert does not exist') : { status: 200, body: show(alert) };
  }
}

/** Newest first unless asked otherwise; at most a hundred at once. */
export function pageOfNotes(notes: SandboxNote[], query: URLSearchParams): Record<string, unknown>[] {
  const numbered = notes.map((note, at) => ({ ...note, offset: String(at) }));
  const ordered = query.get('order') === 'asc' ? numbered : numbered.toReversed();
  return ordered.slice(0, Math.min(Number(query.get('limit') ?? 20), 100));
}

/** Null when the check has found an error. */
type ReadAction = (check: BodyCheck, params: string[], query: URLSearchParams) => AlertAction | null;

const plain = (
  kind: 'acknowledge' | 'unacknowledge' | 'close',
): { method: string; name: string; read: ReadAction } => ({
  method: 'POST',
  name: kind,
  read: () => ({ kind }),
});

/** Message, description and priority are PUT here; the Incident API has them as POST. */
const actions: { method: string; name: string; read: ReadAction }[] = [
  plain('acknowledge'),
  plain('unacknowledge'),
  plain('close'),
  {
    method: 'POST',
    name: 'notes',
    read: (check) => given(check.text('note', 25_000, 'required'), (note) => ({ kind: 'add-note', note })),
  },
  {
    method: 'POST',
    name: 'assign',
    read: (check) => given(check.reference('owner', 'username'), (owner) => ({ kind: 'assign', owner })),
  },
  {
    method: 'POST',
    name: 'snooze',
    read: (check) => given(check.text('endTime', 40, 'required'), (endTime) => ({ kind: 'snooze', endTime })),
  },
  {
    method: 'POST',
    name: 'escalate',
    read: (check) =>
      given(check.reference('escalation', 'name'), (escalation) => ({ kind: 'escalate', escalation })),
  },
  {
    method: 'POST',
    name: 'responders',
    read: (check) =>
      given(check.responder('responder', responderTypes), (responder) => ({
        kind: 'add-responder',
        responder,
      })),
  },
  {
    method: 'POST',
    name: 'tags',
    read: (check) => given(check.texts('tags', 20, 50), (tags) => ({ kind: 'add-tags', tags })),
  },
  {
    method: 'DELETE',
    name: 'tags',
    read: (_check, _params, query) => ({ kind: 'remove-tags', tags: (query.get('tags') ?? '').split(',') }),
  },
  {
    method: 'POST',
    name: 'details',
    read: (check) => given(check.details('details'), (details) => ({ kind: 'add-details', details })),
  },
  {
    method: 'POST',
    name: 'actions/([^/]+)',
    read: (_check, params) => ({ kind: 'custom', name: params[1] ?? '' }),
  },
  {
    method: 'PUT',
    name: 'priority',
    read: (check) => given(check.priority('required'), (priority) => ({ kind: 'priority', priority })),
  },
  {
    method: 'PUT',
    name: 'message',
    read: (check) => given(check.text('message', 130, 'required'), (text) => ({ kind: 'message', text })),
  },
  {
    method: 'PUT',
    name: 'description',
    read: (check) =>
      given(check.text('description', 15_000, 'required'), (text) => ({ kind: 'description', text })),
  },
];

function given<T>(value: T | undefined, build: (value: T) => AlertAction): AlertAction | null {
  return value === undefined ? null : build(value);
}

function readActor(check: BodyCheck): Actor {
  check.text('source', 100);
  return { user: check.text('user', 100) ?? 'GoMon API', sourceType: 'API' };
}

function idsOf(alert: SandboxAlert): Record<string, string> {
  return { alertId: alert.id, alias: alert.alias };
}

/** As the list shows it. */
function shortAlert(alert: SandboxAlert): Record<string, unknown> {
  return {
    id: alert.id,
    tinyId: alert.tinyId,
    alias: alert.alias,
    message: alert.message,
    status: alert.status,
    acknowledged: alert.acknowledged,
    isSeen: alert.log.some(({ owner }) => owner.includes('@')),
    tags: alert.tags,
    snoozed: alert.snoozedUntil !== null,
    ...(alert.snoozedUntil !== null && { snoozedUntil: alert.snoozedUntil }),
    count: alert.count,
    lastOccurredAt: iso(alert.lastOccurredAtMs),
    createdAt: iso(alert.createdAtMs),
    updatedAt: iso(alert.updatedAtMs),
    source: alert.source,
    owner: alert.owner,
    priority: alert.priority,
    teams: alert.responders.filter(({ type }) => type === 'team').map(({ id }) => ({ id })),
    responders: alert.responders.map(({ type, id }) => ({ type, id })),
    integration: { id: '4513b7ea-3b91-438f-b7e4-e3e54af9147c', name: 'GoMon', type: 'API' },
    ownerTeamId: '',
  };
}

function fullAlert(alert: SandboxAlert): Record<string, unknown> {
  const { actions: names, entity, description, details } = alert;
  return { ...shortAlert(alert), actions: names, entity, description, details };
}

/** Absent fields of a body stay absent (exactOptionalPropertyTypes). */
export function withoutUndefined<T extends Record<string, unknown>>(
  fields: T,
): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
