import { type Condition, condition, layers, refOf, subjectOf } from '../condition.ts';
import { fields, labelsOf, number } from '../fields.ts';
import { platformPart, type Scene } from '../scene.ts';
import { workloadStatus } from '../workload-status.ts';
import { endpointsOf } from './services.ts';

/** Cluster DNS by its Service and by a lookup (specification §2.5). */
export function detectDns(scene: Scene): Condition[] {
  const service = scene.view.get('services', 'kube-system', 'kube-dns');
  if (service === undefined) return [];
  const subject = subjectOf('Service', service);
  const endpoints = endpointsOf(scene, subject);
  const deployment = scene.view
    .list('deployments.apps', 'kube-system')
    .find((one) => platformPart(one) === 'dns' && labelsOf(one)['k8s-app'] !== 'kube-dns-autoscaler');
  const desired = deployment === undefined ? endpoints.total : number(fields(deployment.spec)['replicas'], 1);
  if (desired === 0) return [];
  const workload = deployment === undefined ? null : subjectOf('Deployment', deployment);
  const status = workload === null ? null : workloadStatus(scene, workload);
  if (status?.grace === true) return [];
  const under = workload === null ? [] : [[refOf(workload)]];
  if (endpoints.ready === 0) {
    return condition(scene.rules, {
      rule: 'dns.down',
      reason: 'DnsDown',
      subject,
      since: scene.history.seen('dns/down', scene.now),
      title: 'Cluster DNS has no ready endpoint',
      description: `None of ${desired} pods answers: names cannot be looked up anywhere in the cluster.`,
      layer: layers.service,
      explainedBy: under,
    });
  }
  const { percent = 50 } = scene.rules['dns.partial'].thresholds;
  if ((endpoints.ready / desired) * 100 >= percent || status?.rolling === true) return [];
  return condition(scene.rules, {
    rule: 'dns.partial',
    reason: 'DnsPartial',
    subject,
    since: scene.history.seen('dns/partial', scene.now),
    title: `Cluster DNS: ${endpoints.ready} of ${desired} endpoints are ready`,
    description: '',
    layer: layers.service,
    explainedBy: under,
  });
}

export function detectDnsProbe(scene: Scene): Condition[] {
  const results = scene.probes.dns?.results ?? [];
  const { failures = 2, of = 3 } = scene.rules['dns.probe'].thresholds;
  const last = results.slice(-of);
  if (last.length < of || last.filter((ok) => !ok).length < failures) return [];
  return condition(scene.rules, {
    rule: 'dns.probe',
    reason: 'DnsProbeFails',
    subject: { kind: 'Service', namespace: 'kube-system', name: 'kube-dns' },
    title: 'Lookups through cluster DNS fail',
    description: `${last.filter((ok) => !ok).length} of the last ${of} failed.`,
    layer: layers.service,
    explainedBy: [['Service/kube-system/kube-dns'], ['Deployment/kube-system/coredns']],
  });
}
