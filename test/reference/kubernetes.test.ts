import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../src/cluster/cluster-view.ts';
import { resourceOfKind } from '../support/cluster-objects.ts';
import { ClusterLook } from '../support/cluster-look.ts';

const folder = resolve(process.env['GOMON_REFERENCE_DATA'] ?? '', 'kubernetes');

/** Every object of a file that the watcher knows, in the shape of the API. */
function objectsOf(file: string): KubeObject[] {
  const documents = parseAllDocuments(readFileSync(join(folder, file), 'utf8'));
  const values = documents.flatMap((document): unknown[] => {
    const value = document.toJS() as { items?: unknown[] } | unknown[] | null;
    if (Array.isArray(value)) return value;
    return value !== null && Array.isArray(value.items) ? value.items : [value];
  });
  return values
    .filter((value): value is KubeObject => {
      const { kind, metadata } = (value ?? {}) as Partial<KubeObject>;
      return kind !== undefined && resourceOfKind[kind] !== undefined && metadata?.name !== undefined;
    })
    .map((value) => ({
      ...value,
      metadata: { ...value.metadata, uid: value.metadata.uid ?? value.metadata.name },
    }));
}

/** A while after the newest time in the file: trouble has had its time to show. */
function shortlyAfter(file: string, seconds: number): Date {
  const times = readFileSync(join(folder, file), 'utf8').match(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g) ?? [];
  const newest = Math.max(
    ...times.map((time) => Date.parse(time)).filter((ms) => ms < Date.parse('2026-11-22')),
    0,
  );
  return new Date((newest === 0 ? Date.parse('2026-11-20') : newest) + seconds * 1_000);
}

function look(file: string): string[] {
  const watched = new ClusterLook(objectsOf(file), { now: lookedAt[file] ?? shortlyAfter(file, 60) });
  watched.pass(watchedFor[file] ?? 1_000, 20);
  return watched.fired;
}

/** Where the times of the file are not those of its certificates. */
const lookedAt: Record<string, Date> = {
  'kubectl-status__ingress-tls-problems.yaml': new Date('2026-08-01T00:00:00Z'),
  'kubectl-status__secret-tls-healthy.yaml': new Date('2026-08-01T00:00:00Z'),
};

/** Where what is healthy at the time of the file would not be so without its controllers going on. */
const watchedFor: Record<string, number> = {
  'kubectl-status__cronjob-last-failed.yaml': 60,
  'kubectl-status__pod-marked-for-deletion.yaml': 60,
};

/** What is told of each file within half an hour; files that are not named: nothing. */
// A view that holds only the objects of one file misses what they refer to: hence the missing Services and roles.
const expected: Record<string, string[]> = {
  'gitops-engine__apiservice-v1-false.yaml': [
    'control-plane.api-service P2 APIService/-/v1beta1.admission.cert-manager.io',
  ],
  'gitops-engine__deployment-degraded.yaml': ['deployment.stuck P2 Deployment/default/guestbook-ui'],
  'gitops-engine__hpa-v2-degraded.yaml': ['hpa.broken P3 HorizontalPodAutoscaler/-/sample'],
  'gitops-engine__pod-crashloop.yaml': ['pod.crash-loop P2 Pod/argocd/my-pod'],
  'gitops-engine__pod-failed.yaml': ['pod.failed P3 Pod/argocd/my-pod'],
  'gitops-engine__pod-imagepullbackoff.yaml': [
    'pod.image-pull.none-available P2 ReplicaSet/default/guestbook-ui-errimagepullbackoff-66cfffb669',
  ],
  'gitops-engine__pod-running-not-ready.yaml': ['pod.not-ready P3 Pod/argocd/never-ready'],
  'k9s__crb.json': ['rbac.missing-role P3 ClusterRoleBinding/-/blee'],
  'k9s__ing.json': [
    'ingress.backend-missing.all P1 Ingress/default/test-ingress',
    'ingress.no-address P3 Ingress/default/test-ingress',
  ],
  'kubectl-status__deployment-unavailable-replicas.yaml': [
    'workload.none-available P1 Deployment/test1/httpbin-deployment',
  ],
  'kubectl-status__hpa-at-max-replicas.yaml': [
    'hpa.maxed.over-target P2 HorizontalPodAutoscaler/default/my-app',
  ],
  'kubectl-status__ingress-tls-problems.yaml': [
    'certificate.host P2 Secret/test1/incomplete-tls',
    'certificate.host P2 Secret/test1/selfsigned-tls',
    'certificate.host P2 Secret/test1/gateway-tls',
    'ingress.no-address P3 Ingress/test1/web',
    'certificate.secret P2 Secret/test1/does-not-exist',
    'certificate.secret P2 Secret/test1/opaque-secret',
    'certificate.self-signed P3 Secret/test1/selfsigned-tls',
  ],
  'kubectl-status__ingress-with-problems.yaml': [
    'ingress.backend-missing.all P1 Ingress/test1/web',
    'ingress.no-address P3 Ingress/test1/web',
  ],
  'kubectl-status__job-failed.yaml': ['job.failed P3 Job/default/job-failed'],
  'kubectl-status__pod-imagepullbackoff-with-valid-secret.yaml': [
    'pod.image-pull P3 Pod/test1/backoff-with-valid-secret',
  ],
  'kubectl-status__pod-liveness-kill-137.yaml': ['pod.crash-loop P2 Pod/default/pod-liveness-kill-137'],
  'kubectl-status__pod-missing-pvc.yaml': ['pod.unschedulable.none-available P1 StatefulSet/test1/web'],
  'kubectl-status__pod-pending-nodeselector.yaml': [
    'pod.unschedulable P3 Pod/default/pod-pending-nodeselector',
    'pod.unschedulable P2 Pod/default/pod-pending-nodeselector',
  ],
  'kubectl-status__pod-pending-waiting-container.yaml': ['pod.pending P3 Job/default/hello-1584492840'],
  'kubectl-status__pod-probe-readiness-failing.yaml': [
    'pod.not-ready P3 Pod/default/probe-readiness-failing',
  ],
  'kubectl-status__secret-tls-expired.yaml': ['certificate.expired P3 Secret/default/secret-tls-expired'],
  'kubectl-status__sts-stuck-initial-rollout.yaml': ['workload.none-available P1 StatefulSet/test1/web'],
  'kubectl-status__volumeattachment-attach-error.yaml': [
    'volume.mount-failed P2 PersistentVolume/-/pvc-fedcba98-7654-3210-fedc-ba9876543210',
  ],
  'popeye__auth__cr__1.yaml': ['rbac.risky P3 ClusterRole/-/cr3'],
  'popeye__auth__crb__1.yaml': [
    'rbac.missing-role P3 ClusterRoleBinding/-/crb1',
    'rbac.missing-role P3 ClusterRoleBinding/-/crb2',
    'rbac.missing-role P3 ClusterRoleBinding/-/crb3',
  ],
  'popeye__core__node__1.yaml': [
    'node.network-unavailable P1 Node/-/n2',
    'node.network-unavailable P1 Node/-/n3',
    'node.not-ready P4 Node/-/n4',
    'node.pressure P2 Node/-/n3',
    'node.pressure P2 Node/-/n3',
    'node.pressure P2 Node/-/n3',
  ],
  'popeye__core__pod__1.yaml': ['pod.unknown P3 Pod/default/p1'],
  'popeye__core__pv__1.yaml': ['volume.failed P2 PersistentVolume/default/pv2'],
  'popeye__core__svc__1.yaml': ['service.load-balancer-pending P2 Service/default/svc4'],
  'popeye__net__ingress__1.yaml': [
    'ingress.backend-missing.all P1 Ingress/default/ing1',
    'ingress.backend-missing.all P1 Ingress/default/ing2',
    'ingress.backend-missing.all P1 Ingress/default/ing3',
    'ingress.backend-missing.all P1 Ingress/default/ing4',
    'ingress.backend-missing.all P1 Ingress/default/ing6',
    'ingress.no-class P3 Ingress/default/ing1',
    'ingress.no-class P3 Ingress/default/ing2',
    'ingress.no-class P3 Ingress/default/ing3',
    'ingress.no-class P3 Ingress/default/ing4',
    'ingress.no-class P3 Ingress/default/ing5',
    'ingress.no-class P3 Ingress/default/ing6',
  ],
  'troubleshoot__pods__message-oomkill-pod.json': ['pod.oom-killed P3 Job/message-oomkill-pod/oom-kill-job3'],
  'troubleshoot__pods__message-pending-node-affinity.json': [
    'pod.unschedulable.none-available P1 Deployment/message-pending-node-affinity/kotsadm',
  ],
  'troubleshoot__pods__message-pod-crashloop-backoff.json': [
    'pod.crash-loop P2 Pod/message-pod-crashloop-backoff/init-demo',
  ],
};

describe('objects of real clusters', () => {
  it.each(readdirSync(folder).filter((file) => /\.(?:yaml|json)$/.test(file)))('%s', (file) => {
    expect(look(file)).toEqual(expected[file] ?? []);
  });
});
