import { Counter, Gauge, Histogram, type Registry } from '@prometheus-io/client';

/** Waits of rules are 0 s to some minutes; P0 and P1 are to be told within a minute. */
const detectionSeconds = [1, 5, 10, 20, 30, 45, 60, 75, 90, 120, 180, 300, 600, 900, 1_800, 3_600, 14_400];
const evaluationSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5];

/** What the watch over a cluster tells of itself. Absent where none is watched, but for what is only counted. */
export function createClusterMetrics(registers: Registry[]) {
  return {
    clusterLeader: new Gauge({
      name: 'gomon_cluster_leader',
      help: '1 in the process that tells what is wrong in the cluster, 0 in those that only watch it.',
      labelNames: ['cluster'],
      registers,
    }),
    clusterWatchAge: new Gauge({
      name: 'gomon_cluster_watch_age_seconds',
      help: 'How long ago the API server was last heard of a kind; absent for kinds that are off.',
      labelNames: ['resource'],
      registers,
    }),
    clusterObjects: new Gauge({
      name: 'gomon_cluster_objects',
      help: 'Objects that are kept in memory.',
      labelNames: ['resource'],
      registers,
    }),
    clusterKinds: new Gauge({
      name: 'gomon_cluster_kinds',
      help: 'Kinds of objects by the state of their watch.',
      labelNames: ['state'],
      registers,
    }),
    clusterWatchFailures: new Counter({
      name: 'gomon_cluster_watch_failures_total',
      help: 'Lists, watches and polls that failed and were tried again.',
      labelNames: ['resource'],
      registers,
    }),
    clusterEvaluation: new Histogram({
      name: 'gomon_cluster_evaluation_seconds',
      help: 'One look at the cluster: all detectors, and what follows from what they found.',
      buckets: evaluationSeconds,
      registers,
    }),
    clusterFindings: new Gauge({
      name: 'gomon_cluster_findings',
      help: 'What is wrong in the cluster, by what became of it; only in the process that leads.',
      labelNames: ['state'],
      registers,
    }),
    clusterDetection: new Histogram({
      name: 'gomon_cluster_detection_seconds',
      help: 'From when something went wrong, by its own timestamp, to its alert stored: the wait of its rule included.',
      labelNames: ['severity'],
      buckets: detectionSeconds,
      registers,
    }),
  };
}
