import { z } from 'zod';
import { anyOf, PageQuery, pageOf, Severity, Time } from './common.ts';

/** The cluster as the watcher knows it. Cores for CPU, bytes for memory; null where nobody measures or limits. */

const ResourceAge = z.object({
  resource: z.string(),
  state: z.enum(['listing', 'streaming', 'backoff', 'forbidden', 'absent', 'stopped']),
  heardAt: z.string().nullable(),
  ageSeconds: z.number().nullable().describe('Since anything was heard of it; null: never.'),
});

const Sums = z.object({ used: z.number().nullable(), requested: z.number(), allocatable: z.number() });
const NodeUse = z.object({ used: z.number().nullable(), allocatable: z.number().nullable() });
const PodUse = z.object({ used: z.number().nullable(), requested: z.number(), limit: z.number().nullable() });

export const ClusterHealth = z.object({
  cluster: z.string(),
  status: z
    .enum(['ok', 'degraded', 'down', 'unknown'])
    .describe('down: a P0 is open; degraded: P1 or P2; unknown: pods or nodes are not being heard of.'),
  at: z.string(),
  nodes: z.object({
    total: z.number().int(),
    ready: z.number().int(),
    items: z.array(
      z.object({
        name: z.string(),
        ready: z.boolean(),
        reason: z.string(),
        since: z.string().nullable(),
        maintenance: z.boolean(),
        cpu: NodeUse,
        memory: NodeUse,
      }),
    ),
  }),
  pods: z.object({ total: z.number().int(), running: z.number().int(), failed: z.number().int() }),
  namespaces: z.record(
    z.string(),
    z.object({
      pods: z.number().int(),
      ready: z.number().int(),
      phases: z.record(z.string(), z.number().int()),
      workloads: z.number().int(),
      complete: z.number().int().describe('Workloads with all the pods they want.'),
    }),
  ),
  resources: z.object({ cpu: Sums, memory: Sums }),
  alerts: z.object({
    P0: z.number().int(),
    P1: z.number().int(),
    P2: z.number().int(),
    P3: z.number().int(),
    P4: z.number().int(),
  }),
  data: z.array(ResourceAge).describe('How old what is shown here is.'),
  history: z
    .array(
      z.object({
        at: z.string(),
        nodes: z.number().int(),
        readyNodes: z.number().int(),
        pods: z.number().int(),
        runningPods: z.number().int(),
        failedPods: z.number().int(),
      }),
    )
    .describe('Snapshots of the last hour, newest first.'),
});
export type ClusterHealth = z.infer<typeof ClusterHealth>;

const Name = z.string().trim().min(1).max(253);

export const ClusterPodQuery = PageQuery.extend({
  namespace: anyOf(Name),
  phase: anyOf(z.enum(['Pending', 'Running', 'Succeeded', 'Failed', 'Unknown'])),
  node: anyOf(Name),
  severity: anyOf(Severity).describe('Of open alerts about the pod or its workload.'),
  unhealthy: z.enum(['true', 'false']).optional().describe('true: only pods that are not ready.'),
  q: z.string().min(1).max(200).optional().describe('Part of namespace/name.'),
});

const PodItem = z.object({
  namespace: z.string(),
  name: z.string(),
  workload: z.object({ kind: z.string(), name: z.string() }).nullable(),
  phase: z.string(),
  reason: z.string(),
  ready: z.boolean(),
  restarts: z.number().int(),
  node: z.string().nullable(),
  createdAt: z.string().nullable(),
  cpu: PodUse,
  memory: PodUse,
  stateChanges: z.array(z.object({ at: z.string(), what: z.string() })).describe('Newest first.'),
  events: z.array(
    z.object({
      at: z.string(),
      type: z.string(),
      reason: z.string(),
      message: z.string(),
      count: z.number().int(),
    }),
  ),
  alertIds: z.array(z.string()).describe('Open alerts about it or its workload, gravest first.'),
});
export const ClusterPods = pageOf(PodItem).extend({ data: z.array(ResourceAge) });
export type ClusterPods = z.infer<typeof ClusterPods>;

export const ClusterEventQuery = PageQuery.extend({
  namespace: anyOf(Name),
  severity: anyOf(Severity).describe(
    'Of the gravest open alert about the same thing; else P3 for warnings, P4.',
  ),
  type: anyOf(z.enum(['Normal', 'Warning'])),
  from: Time.optional().describe('Last seen at or after.'),
});

export const ClusterEvents = pageOf(
  z.object({
    id: z.string(),
    at: z.string(),
    type: z.string(),
    severity: Severity,
    reason: z.string(),
    message: z.string(),
    count: z.number().int(),
    namespace: z.string().nullable(),
    object: z.object({ kind: z.string(), namespace: z.string().nullable(), name: z.string() }),
    alertIds: z.array(z.string()),
  }),
).extend({ data: z.array(ResourceAge) });
export type ClusterEvents = z.infer<typeof ClusterEvents>;
