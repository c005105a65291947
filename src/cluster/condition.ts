import type { KubeObject } from './cluster-view.ts';
import type { RuleName, Rules, Stage } from './rules.ts';

/** Something of the cluster by kind, namespace and name. */
export type Subject = { kind: string; namespace: string | null; name: string };

/** A subject as text: `Deployment/monitoring/web`, `Node/-/worker-1`. */
export type EntityRef = string;

export function refOf(subject: Subject): EntityRef {
  return `${subject.kind}/${subject.namespace ?? '-'}/${subject.name}`;
}

export function subjectOf(kind: string, object: KubeObject): Subject {
  return { kind, namespace: object.metadata.namespace ?? null, name: object.metadata.name };
}

/**
 * How near a condition is to its cause: a lower one may explain a higher one,
 * which then stays silent under it. `apart` neither explains nor is explained.
 */
export const layers = {
  controlPlane: 0,
  /** Of them all, where most are away. */
  nodes: 5,
  node: 10,
  network: 15,
  storage: 20,
  pods: 30,
  workload: 40,
  budget: 45,
  service: 50,
  ingress: 60,
  apart: 99,
} as const;
export type Layer = (typeof layers)[keyof typeof layers];

/**
 * One thing that is wrong now, as a detector sees it. Whether it is told, and
 * when, is the engine's business. One condition stands for a workload and a
 * reason, with the pods inside (guard G12).
 */
export type Condition = {
  rule: RuleName;
  /** Kubernetes' word where it has one (CrashLoopBackOff), else ours. Part of the identity. */
  reason: string;
  /** What it is counted against: the workload for pods, else the object itself. */
  subject: Subject;
  container: string | null;
  /** By the server's clock. Null: nobody knows; it counts from when it was first seen. */
  since: Date | null;
  /** Where `since` is only our first sight: how long it has certainly been wrong, for the digest of the first start. */
  onset: Date | null;
  stages: Stage[];
  title: string;
  description: string;
  /** Beside those every alert has (`to-signal.ts`). */
  labels: Record<string, string>;
  /** Names, sorted. */
  pods: string[];
  nodes: string[];
  layer: Layer;
  /** Explained when all entities of one of these groups are broken. */
  explainedBy: EntityRef[][];
  /** Of what happens again and again: another one is told as a change of the alert. */
  version: string | null;
};

/** Identity within a cluster. */
export function conditionKey(of: Pick<Condition, 'subject' | 'reason' | 'container'>): string {
  return [refOf(of.subject), of.reason, of.container ?? ''].join('|');
}

/** A condition with what most have in common filled in. Empty where its rule is off. */
export function condition(
  rules: Rules,
  parts: Pick<Condition, 'rule' | 'reason' | 'subject' | 'title' | 'description'> & Partial<Condition>,
): Condition[] {
  const rule = rules[parts.rule];
  if (!rule.enabled) return [];
  return [
    {
      container: null,
      since: null,
      onset: null,
      stages: rule.stages,
      labels: {},
      pods: [],
      nodes: [],
      layer: layers.apart,
      explainedBy: [],
      version: null,
      ...parts,
    },
  ];
}

/** The earlier of times, unknown ones left out. */
export function earliest(times: readonly (Date | null)[]): Date | null {
  return times.reduce((first, at) => (at !== null && (first === null || at < first) ? at : first), null);
}
