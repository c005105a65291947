import type { FastifyRequest } from 'fastify';
import type { FastifyPluginCallbackZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { type Actor, type AlertAction, act } from '../alerts/actions.ts';
import {
  actionsOf,
  alertOrder,
  type AlertSort,
  findAlerts,
  listAlerts,
  relatedAlerts,
  type StoredAlert,
} from '../alerts/alert-queries.ts';
import { requireRight } from './auth.ts';
import {
  AcknowledgeBody,
  Alert,
  AlertDetail,
  AlertQuery,
  AssignBody,
  EscalateBody,
  NoteBody,
} from './contract/alert.ts';
import { Id, pageOf, ProblemAnswer } from './contract/common.ts';
import { readCursor } from './cursor.ts';
import { explainAlert } from './explain.ts';
import { badRequest, conflict, notFound } from './problem.ts';
import { presentAction, presentAlert } from './present.ts';
import type { ApiServices } from './services.ts';

const relatedShown = 50;
const params = z.object({ id: Id });

/** `/api/v1/alerts`: list, look, act. */
export function alertRoutes(services: ApiServices): FastifyPluginCallbackZod {
  return (app, _options, done) => {
    readRoutes(services)(app, {}, () => undefined);
    actionRoutes(services)(app, {}, done);
  };
}

function readRoutes(services: ApiServices): FastifyPluginCallbackZod {
  return (app, _options, done) => {
    app.get(
      '/api/v1/alerts',
      {
        schema: {
          tags: ['alerts'],
          summary: 'List alerts',
          description: 'Further filters: `label.NAME=value` (comma = any of).',
          querystring: AlertQuery.loose(),
          response: { 200: pageOf(Alert), default: ProblemAnswer },
        },
      },
      async (request) => {
        requireRight(await services.authenticate(request), 'read');
        const { limit, cursor, sort: by, order, from, to, ...filter } = request.query;
        const sort: AlertSort = { by, order: order ?? (by === 'severity' ? 'asc' : 'desc') };
        const key = by === 'severity' ? 'severity' : 'time';
        const page = await listAlerts(
          services.db,
          {
            ...filter,
            labels: labelFilters(request.query),
            from: from === undefined ? undefined : new Date(from),
            to: to === undefined ? undefined : new Date(to),
          },
          sort,
          { limit, after: readCursor(cursor, alertOrder(sort), key) },
        );
        return { ...page, items: page.items.map((alert) => presentAlert(alert, services.addresses)) };
      },
    );

    app.get(
      '/api/v1/alerts/:id',
      {
        schema: {
          tags: ['alerts'],
          summary: 'One alert, with its history and reasons',
          params,
          response: { 200: AlertDetail, default: ProblemAnswer },
        },
      },
      async (request) => {
        requireRight(await services.authenticate(request), 'read');
        const alert = await findOne(services, request.params.id);
        const [actions, related] = await Promise.all([
          actionsOf(services.db, { alertId: alert.id }),
          relatedAlerts(services.db, alert, relatedShown),
        ]);
        return {
          ...presentAlert(alert, services.addresses),
          actions: actions.map(presentAction),
          decisions: await explainAlert(services, alert, actions),
          related: related.map((other) => presentAlert(other, services.addresses)),
        };
      },
    );
    done();
  };
}

const known = new Set(Object.keys(AlertQuery.shape));

/** What is not a filter of ours has to be `label.NAME`; anything else is a mistake worth telling. */
function labelFilters(query: Record<string, unknown>): Record<string, string[]> {
  const labels: [name: string, values: string[]][] = [];
  for (const [name, value] of Object.entries(query)) {
    if (known.has(name)) continue;
    if (!name.startsWith('label.') || name === 'label.') {
      throw badRequest(`"${name}" is not a filter; known are ${[...known].join(', ')} and label.NAME.`);
    }
    const texts = (Array.isArray(value) ? value : [value]).flatMap((text) => String(text).split(','));
    labels.push([name.slice('label.'.length), texts]);
  }
  // Not by assignment: a label may be called `__proto__`.
  return Object.fromEntries(labels);
}

async function findOne(services: ApiServices, id: string): Promise<StoredAlert> {
  const [alert] = await findAlerts(services.db, [id]);
  if (alert === undefined) throw notFound('alert', id);
  return alert;
}

function actionRoutes(services: ApiServices): FastifyPluginCallbackZod {
  return (app, _options, done) => {
    const schema = <Body extends z.ZodType>(summary: string, body: Body) => ({
      tags: ['alerts'],
      summary,
      params,
      body,
      response: { 200: Alert, default: ProblemAnswer },
    });
    const perform = async (request: FastifyRequest, id: string, action: AlertAction) => {
      const caller = requireRight(await services.authenticate(request), 'act');
      const actor: Actor = { userId: `token:${caller.name}`, door: 'api' };
      const result = await act(services.db, id, action, actor, services.clock.now());
      if (!result.ok && result.reason === 'not-found') throw notFound('alert', id);
      // What is archived is resolved: doing that again is done.
      const ended = action.kind === 'resolve-and-archive' || action.kind === 'resolve';
      if (!result.ok && result.reason === 'archived' && !ended)
        throw conflict('The alert is archived; archived alerts do not change.');
      if (!result.ok && result.reason === 'forbidden')
        throw conflict(`${result.detail[0]?.toUpperCase()}${result.detail.slice(1)}.`);
      if (result.ok && !result.already) services.events.acted(action.kind, 'api', actor.userId, id);
      return presentAlert(await findOne(services, id), services.addresses);
    };
    app.put('/api/v1/alerts/:id/acknowledge', { schema: schema('Acknowledge', AcknowledgeBody) }, (request) =>
      perform(request, request.params.id, { kind: 'acknowledge', note: request.body?.note }),
    );
    app.put(
      '/api/v1/alerts/:id/escalate',
      { schema: schema('Escalate, one level up by default', EscalateBody) },
      (request) => perform(request, request.params.id, { kind: 'escalate', ...request.body }),
    );
    app.put(
      '/api/v1/alerts/:id/assign',
      { schema: schema('Put somebody in charge', AssignBody) },
      (request) =>
        perform(request, request.params.id, { kind: 'assign', assignedTo: request.body.assignedTo }),
    );
    app.post('/api/v1/alerts/:id/notes', { schema: schema('Add a note', NoteBody) }, (request) =>
      perform(request, request.params.id, { kind: 'note', text: request.body.text }),
    );
    app.delete(
      '/api/v1/alerts/:id',
      {
        schema: {
          tags: ['alerts'],
          summary: 'Resolve and archive',
          params,
          response: { 200: Alert, default: ProblemAnswer },
        },
      },
      (request) => perform(request, request.params.id, { kind: 'resolve-and-archive' }),
    );
    done();
  };
}
