import type { FastifyPluginCallbackZod } from 'fastify-type-provider-zod';
import {
  clusterEvents,
  clusterHealth,
  clusterPods,
  eventOrder,
  openClusterAlerts,
  podOrder,
  resourceAges,
} from '../cluster/cluster-queries.ts';
import type { ClusterView } from '../cluster/cluster-view.ts';
import { recentSnapshots } from '../cluster/snapshot-store.ts';
import { requireRight } from './auth.ts';
import {
  ClusterEventQuery,
  ClusterEvents,
  ClusterHealth,
  ClusterPodQuery,
  ClusterPods,
} from './contract/cluster.ts';
import { ProblemAnswer } from './contract/common.ts';
import { readCursor } from './cursor.ts';
import { ProblemError } from './problem.ts';
import type { ApiServices, ClusterReader } from './services.ts';

const historyMs = 3_600_000;
const mostSnapshots = 60;

/** The cluster from memory, in milliseconds; only open alerts and old snapshots come from the database. */
export function clusterRoutes(
  services: Pick<ApiServices, 'authenticate' | 'clock' | 'db' | 'cluster'>,
): FastifyPluginCallbackZod {
  const reader = (): ClusterReader => {
    if (services.cluster === null)
      throw new ProblemError({
        status: 404,
        detail: 'No cluster is watched: docs/kubernetes.md says how to connect one.',
      });
    return services.cluster;
  };
  return (app, _options, done) => {
    app.get(
      '/api/v1/cluster/health',
      {
        schema: {
          tags: ['cluster'],
          summary: 'Nodes, pods, use of resources, and how old that knowledge is',
          response: { 200: ClusterHealth, default: ProblemAnswer },
        },
      },
      async (request): Promise<ClusterHealth> => {
        requireRight(await services.authenticate(request), 'read');
        const { name, view } = reader();
        const now = services.clock.now();
        const [alerts, snapshots] = await Promise.all([
          openClusterAlerts(services.db, name),
          recentSnapshots(services.db, new Date(now.getTime() - historyMs), mostSnapshots),
        ]);
        const { snapshot, status, nodes, alerts: counts, data } = clusterHealth(view, alerts, now);
        return {
          cluster: name,
          status,
          at: now.toISOString(),
          nodes: {
            total: snapshot.nodes,
            ready: snapshot.readyNodes,
            items: nodes.map((node) => ({ ...node, since: iso(node.since) })),
          },
          pods: { total: snapshot.pods, running: snapshot.runningPods, failed: snapshot.failedPods },
          namespaces: snapshot.namespaces,
          resources: snapshot.resources,
          alerts: counts,
          data: data.map((one) => ({ ...one, heardAt: iso(one.heardAt) })),
          history: snapshots.map((one) => ({ ...one, at: one.at.toISOString() })),
        };
      },
    );
    app.get(
      '/api/v1/cluster/pods',
      {
        schema: {
          tags: ['cluster'],
          summary: 'Pods with their use and limits, recent events and state changes',
          querystring: ClusterPodQuery,
          response: { 200: ClusterPods, default: ProblemAnswer },
        },
      },
      async (request): Promise<ClusterPods> => {
        requireRight(await services.authenticate(request), 'read');
        const { name, view } = reader();
        const { limit, cursor, unhealthy, ...filter } = request.query;
        const page = { limit, after: readCursor(cursor, podOrder, 'name') };
        const alerts = await openClusterAlerts(services.db, name);
        const { items, nextCursor } = clusterPods(
          view,
          alerts,
          { ...filter, unhealthy: unhealthy === 'true' },
          page,
        );
        return {
          items: items.map((pod) => ({
            ...pod,
            createdAt: iso(pod.createdAt),
            stateChanges: pod.stateChanges.map((one) => ({ ...one, at: one.at.toISOString() })),
            events: pod.events.map((one) => ({ ...one, at: one.at.toISOString() })),
          })),
          nextCursor,
          data: ages(view, services.clock.now(), ['pods', 'pods.metrics.k8s.io', 'events']),
        };
      },
    );
    app.get(
      '/api/v1/cluster/events',
      {
        schema: {
          tags: ['cluster'],
          summary: 'Recent events of the cluster, with the open alerts about the same thing',
          querystring: ClusterEventQuery,
          response: { 200: ClusterEvents, default: ProblemAnswer },
        },
      },
      async (request): Promise<ClusterEvents> => {
        requireRight(await services.authenticate(request), 'read');
        const { name, view } = reader();
        const { limit, cursor, from, ...filter } = request.query;
        const page = { limit, after: readCursor(cursor, eventOrder, 'isoTime') };
        const alerts = await openClusterAlerts(services.db, name);
        const wanted = { ...filter, from: from === undefined ? undefined : new Date(from) };
        const { items, nextCursor } = clusterEvents(view, alerts, wanted, page);
        return {
          items: items.map((item) => ({ ...item, at: item.at.toISOString() })),
          nextCursor,
          data: ages(view, services.clock.now(), ['events']),
        };
      },
    );
    done();
  };
}

function ages(view: ClusterView, now: Date, resources: string[]) {
  return resourceAges(view, now, resources).map((one) => ({ ...one, heardAt: iso(one.heardAt) }));
}

function iso(at: Date | null): string | null {
  return at === null ? null : at.toISOString();
}
