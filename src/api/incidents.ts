import type { FastifyRequest } from 'fastify';
import type { FastifyPluginCallbackZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Actor } from '../alerts/actions.ts';
import { actionsOf, alertsOfIncident } from '../alerts/alert-queries.ts';
import {
  assignIncident,
  type IncidentActionResult,
  noteOnIncident,
  setIncidentStatus,
} from '../incidents/incident-actions.ts';
import type { Incident as DomainIncident } from '../incidents/incident.ts';
import {
  findIncidents,
  incidentOrder,
  listIncidents,
  withAlertCounts,
} from '../incidents/incident-queries.ts';
import { openForAlert } from '../incidents/open.ts';
import { requireRight } from './auth.ts';
import { readCursor } from './cursor.ts';
import { AssignBody, NoteBody } from './contract/alert.ts';
import { Id, pageOf, ProblemAnswer } from './contract/common.ts';
import {
  CreateIncidentBody,
  Incident,
  IncidentDetail,
  IncidentQuery,
  IncidentStatusBody,
} from './contract/incident.ts';
import { conflict, notFound, ProblemError } from './problem.ts';
import { presentAction, presentAlert, presentIncident } from './present.ts';
import type { ApiServices } from './services.ts';

const params = z.object({ id: Id });

/** `/api/v1/incidents`: open, list, look, assign, set the status, note. */
export function incidentRoutes(services: ApiServices): FastifyPluginCallbackZod {
  return (app, _options, done) => {
    const present = async (id: string) => presentIncident(await findOne(services, id), services.addresses);

    app.post(
      '/api/v1/incidents',
      {
        schema: {
          tags: ['incidents'],
          summary: 'Open an incident for an alert, or attach the alert to an open one',
          body: CreateIncidentBody,
          response: { 200: Incident, 201: Incident, default: ProblemAnswer },
        },
      },
      async (request, reply) => {
        const actor = await actorOf(services, request);
        const opened = await openForAlert(
          services.db,
          request.body,
          services.incidentPolicy,
          actor,
          services.clock.now(),
        );
        if (!opened.ok && opened.reason === 'not-found')
          throw new ProblemError({ status: 404, detail: `Not possible: ${opened.detail}.` });
        if (!opened.ok) throw conflict(`Not possible: ${opened.detail}.`);
        if (opened.created)
          services.events.acted('create_incident', 'api', actor.userId, request.body.alertId);
        return reply.code(opened.created ? 201 : 200).send(await present(opened.incidentId));
      },
    );

    app.get(
      '/api/v1/incidents',
      {
        schema: {
          tags: ['incidents'],
          summary: 'List incidents, newest first',
          querystring: IncidentQuery.strict(),
          response: { 200: pageOf(Incident), default: ProblemAnswer },
        },
      },
      async (request) => {
        requireRight(await services.authenticate(request), 'read');
        const { limit, cursor, ...filter } = request.query;
        const page = await listIncidents(services.db, filter, {
          limit,
          after: readCursor(cursor, incidentOrder, 'time'),
        });
        const items = await withAlertCounts(services.db, page.items);
        return {
          ...page,
          items: items.map((incident) => presentIncident(incident, services.addresses)),
        };
      },
    );

    app.get(
      '/api/v1/incidents/:id',
      {
        schema: {
          tags: ['incidents'],
          summary: 'One incident with its alerts and history',
          params,
          response: { 200: IncidentDetail, default: ProblemAnswer },
        },
      },
      async (request) => {
        requireRight(await services.authenticate(request), 'read');
        const { id } = request.params;
        const incident = await findOne(services, id);
        const [alerts, actions] = await Promise.all([
          alertsOfIncident(services.db, id),
          actionsOf(services.db, { incidentId: id }),
        ]);
        return {
          ...presentIncident(incident, services.addresses),
          alerts: alerts.map((alert) => presentAlert(alert, services.addresses)),
          actions: actions.map(presentAction),
        };
      },
    );

    const perform = async (
      request: FastifyRequest,
      id: string,
      action: string,
      work: (actor: Actor) => Promise<IncidentActionResult>,
    ): Promise<Incident> => {
      const actor = await actorOf(services, request);
      const result = await work(actor);
      if (!result.ok && result.reason === 'not-found') throw notFound('incident', id);
      if (!result.ok) throw conflict(`Not possible: ${result.detail}.`);
      if (!result.already) services.events.actedOnIncident(action, 'api', actor.userId, id);
      return present(id);
    };
    const schema = <Body extends z.ZodType>(summary: string, body: Body) => ({
      tags: ['incidents'],
      summary,
      params,
      body,
      response: { 200: Incident, default: ProblemAnswer },
    });
    app.put(
      '/api/v1/incidents/:id/assign',
      { schema: schema('Put somebody in charge', AssignBody) },
      (request) =>
        perform(request, request.params.id, 'incident_assign', (actor) =>
          assignIncident(
            services.db,
            request.params.id,
            request.body.assignedTo,
            actor,
            services.clock.now(),
          ),
        ),
    );
    app.put(
      '/api/v1/incidents/:id/status',
      { schema: schema('Set the status', IncidentStatusBody) },
      (request) =>
        perform(request, request.params.id, 'incident_status', (actor) =>
          setIncidentStatus(services.db, request.params.id, request.body.status, actor, services.clock.now()),
        ),
    );
    app.post('/api/v1/incidents/:id/notes', { schema: schema('Add a note', NoteBody) }, (request) =>
      perform(request, request.params.id, 'incident_note', (actor) =>
        noteOnIncident(services.db, request.params.id, request.body.text, actor, services.clock.now()),
      ),
    );
    done();
  };
}

async function actorOf(services: ApiServices, request: FastifyRequest): Promise<Actor> {
  const caller = requireRight(await services.authenticate(request), 'act');
  return { userId: `token:${caller.name}`, door: 'api' };
}

async function findOne(services: ApiServices, id: string): Promise<DomainIncident> {
  const [incident] = await withAlertCounts(services.db, await findIncidents(services.db, [id]));
  if (incident === undefined) throw notFound('incident', id);
  return incident;
}
