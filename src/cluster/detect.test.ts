import { describe, expect, it } from 'vitest';
import {
  ago,
  container,
  deployment,
  ended,
  event,
  make,
  node,
  owner,
  pod,
  replicaSet,
  unready,
  waiting,
} from '../../test/support/cluster-objects.ts';
import { ClusterLook } from '../../test/support/cluster-look.ts';
import type { KubeObject } from './cluster-view.ts';
import { detectors } from './detect.ts';
import type { Probes } from './scene.ts';
import { noProbes } from './scene.ts';

/** What detectors see, without regard to waits: `rule severity-of-first-stage subject`. */
type Case = [name: string, objects: KubeObject[], expected: string[]];

const web = [replicaSet('web-abc12', 'web'), node('n1'), node('n2'), node('n3'), node('n4'), node('n5')];
const healthy = [pod('web-1'), pod('web-2', { node: 'n2' })];
const crashing = (name: string, restarts = 5, more = {}) =>
  pod(name, {
    status: {
      conditions: unready(300),
      containerStatuses: [
        container(waiting('CrashLoopBackOff'), {
          restartCount: restarts,
          lastState: ended('Error', 1, 30),
        }),
      ],
    },
    ...more,
  });
const pending = (name: string, state: unknown, more = {}) =>
  pod(name, {
    status: {
      phase: 'Pending',
      conditions: unready(400),
      containerStatuses: [container(state as Record<string, unknown>)],
      ...more,
    },
  });

function run(cases: Case[], probes: Probes = noProbes): void {
  it.each(cases)('%s', (_name, objects, expected) => {
    const look = new ClusterLook(objects);
    look.probes = probes;
    expect(look.conditions()).toEqual(expected.toSorted());
  });
}

describe('containers', () => {
  run([
    ['healthy', [...web, deployment('web', { replicas: 2 }), ...healthy], []],
    [
      'one of several crashes',
      [...web, deployment('web', { available: 2 }), ...healthy, crashing('web-3')],
      ['pod.crash-loop.one P3 Deployment/shop/web', 'workload.below-minimum P2 Deployment/shop/web'],
    ],
    [
      'all crash',
      [...web, deployment('web', { replicas: 2, available: 0 }), crashing('web-1'), crashing('web-2')],
      ['pod.crash-loop.all P1 Deployment/shop/web', 'workload.none-available P1 Deployment/shop/web'],
    ],
    [
      'two restarts are not yet a loop',
      [...web, deployment('web', { replicas: 2 }), pod('web-1'), crashing('web-2', 2)],
      [],
    ],
    [
      'G3: a crashing pod that is being deleted',
      [
        ...web,
        deployment('web', { replicas: 2 }),
        ...healthy,
        crashing('web-3', 9, { metadata: { deletionTimestamp: ago(5) } }),
      ],
      [],
    ],
    [
      'ignored by annotation',
      [
        ...web,
        deployment('web', {
          replicas: 2,
          available: 0,
          metadata: { annotations: { 'gomon.io/ignore': 'true' } },
        }),
        crashing('web-1'),
      ],
      [],
    ],
    [
      'image cannot be pulled, others available',
      [...web, deployment('web', { replicas: 2 }), ...healthy, pending('web-3', waiting('ErrImagePull'))],
      ['pod.image-pull P3 Deployment/shop/web'],
    ],
    [
      'image name that cannot be',
      [...web, deployment('web', { replicas: 2 }), ...healthy, pending('web-3', waiting('InvalidImageName'))],
      ['pod.invalid-image P2 Deployment/shop/web'],
    ],
    [
      'missing ConfigMap',
      [
        ...web,
        deployment('web', { replicas: 2 }),
        ...healthy,
        pending('web-3', waiting('CreateContainerConfigError', 'configmap "x" not found')),
      ],
      ['pod.config-error P2 Deployment/shop/web'],
    ],
    [
      'killed for memory lately',
      [
        ...web,
        deployment('web', { replicas: 2 }),
        pod('web-1'),
        pod('web-2', {
          status: {
            containerStatuses: [
              container(
                { running: {} },
                { ready: true, restartCount: 1, lastState: ended('OOMKilled', 137, 60) },
              ),
            ],
          },
        }),
      ],
      ['pod.oom-killed P3 Deployment/shop/web'],
    ],
    [
      'killed for memory long ago',
      [
        ...web,
        deployment('web', { replicas: 2 }),
        pod('web-1'),
        pod('web-2', {
          status: {
            containerStatuses: [
              container(
                { running: {} },
                { ready: true, restartCount: 1, lastState: ended('OOMKilled', 137, 7_200) },
              ),
            ],
          },
        }),
      ],
      [],
    ],
    [
      'G9: ended by SIGTERM',
      [
        ...web,
        deployment('web', { replicas: 2 }),
        pod('web-1'),
        pod('web-2', {
          status: {
            containerStatuses: [
              container(
                { running: {} },
                { ready: true, restartCount: 8, lastState: ended('Error', 143, 60) },
              ),
            ],
          },
        }),
      ],
      [],
    ],
    [
      'an init container that crashes',
      [
        ...web,
        deployment('web', { replicas: 2 }),
        ...healthy,
        pod('web-3', {
          status: {
            phase: 'Pending',
            conditions: unready(300),
            initContainerStatuses: [
              container(waiting('CrashLoopBackOff'), {
                name: 'setup',
                restartCount: 4,
                lastState: ended('Error', 2, 10),
              }),
            ],
          },
        }),
      ],
      ['pod.crash-loop.one P3 Deployment/shop/web'],
    ],
    [
      'a native sidecar runs for ever',
      [
        ...web,
        deployment('web', { replicas: 2 }),
        pod('web-1'),
        pod('web-2', {
          spec: { initContainers: [{ name: 'side', restartPolicy: 'Always' }] },
          status: { initContainerStatuses: [container({ running: {} }, { name: 'side', ready: true })] },
        }),
      ],
      [],
    ],
    [
      'G5: crashing on a cordoned node',
      [
        ...web.slice(0, 1),
        node('n1', { spec: { unschedulable: true } }),
        node('n2'),
        deployment('web', { replicas: 2 }),
        ...healthy,
        crashing('web-3'),
      ],
      ['node.cordoned P3 Node/-/n1', 'pod.crash-loop.one P4 Deployment/shop/web'],
    ],
  ]);
});

const dayOld = ago(86_400);

describe('pods', () => {
  run([
    [
      'no node takes it',
      [
        ...web,
        deployment('web', { replicas: 2 }),
        ...healthy,
        pod('web-3', {
          status: {
            phase: 'Pending',
            conditions: [
              {
                type: 'PodScheduled',
                status: 'False',
                reason: 'Unschedulable',
                lastTransitionTime: ago(200),
              },
            ],
            containerStatuses: [],
          },
        }),
      ],
      ['pod.unschedulable P3 Deployment/shop/web'],
    ],
    [
      'scheduling gated',
      [
        ...web,
        deployment('web', { replicas: 2 }),
        ...healthy,
        pod('web-3', {
          status: {
            phase: 'Pending',
            conditions: [
              {
                type: 'PodScheduled',
                status: 'False',
                reason: 'SchedulingGated',
                lastTransitionTime: ago(9_000),
              },
            ],
            containerStatuses: [],
          },
        }),
      ],
      [],
    ],
    [
      'a cluster autoscaler is at it',
      [
        ...web,
        deployment('web', { replicas: 2 }),
        ...healthy,
        pod('web-3', {
          status: {
            phase: 'Pending',
            conditions: [
              {
                type: 'PodScheduled',
                status: 'False',
                reason: 'Unschedulable',
                lastTransitionTime: ago(200),
              },
            ],
            containerStatuses: [],
          },
        }),
        event({ kind: 'Pod', name: 'web-3' }, 'TriggeredScaleUp', { type: 'Normal' }),
      ],
      [],
    ],
    [
      'containers do not start',
      [
        ...web,
        deployment('web', { replicas: 2 }),
        ...healthy,
        pending('web-3', waiting('ContainerCreating')),
      ],
      ['pod.pending P3 Deployment/shop/web'],
    ],
    [
      'a volume cannot be mounted',
      [
        ...web,
        deployment('web', { replicas: 2 }),
        ...healthy,
        pending('web-3', waiting('ContainerCreating')),
        event({ kind: 'Pod', name: 'web-3' }, 'FailedMount'),
      ],
      ['pod.start-failure P2 Deployment/shop/web'],
    ],
    [
      'a large image is being pulled',
      [
        ...web,
        deployment('web', { replicas: 2 }),
        ...healthy,
        {
          ...pending('web-3', waiting('ContainerCreating')),
          metadata: { ...pending('web-3', {}).metadata, creationTimestamp: ago(400) },
        },
        event({ kind: 'Pod', name: 'web-3' }, 'Pulling', { type: 'Normal' }),
      ],
      [],
    ],
    [
      'not ready any more',
      [
        ...web,
        deployment('web', { replicas: 2 }),
        ...healthy,
        pod('web-3', { status: { conditions: unready(400) } }),
      ],
      ['pod.not-ready P3 Deployment/shop/web'],
    ],
    [
      'G6: not ready yet',
      [
        ...web,
        deployment('web', { replicas: 2 }),
        ...healthy,
        pod('web-3', {
          metadata: { creationTimestamp: ago(60) },
          status: {
            startTime: ago(60),
            conditions: [
              { type: 'Initialized', status: 'True', lastTransitionTime: ago(60) },
              { type: 'Ready', status: 'False', reason: 'ContainersNotReady', lastTransitionTime: ago(60) },
            ],
          },
        }),
      ],
      [],
    ],
    [
      'G6: a slow start that its probe allows',
      [
        ...web,
        deployment('web', { replicas: 2 }),
        ...healthy,
        pod('web-3', {
          metadata: { creationTimestamp: ago(500) },
          spec: { containers: [{ name: 'main', startupProbe: { periodSeconds: 10, failureThreshold: 60 } }] },
          status: {
            startTime: ago(500),
            conditions: [
              { type: 'Initialized', status: 'True', lastTransitionTime: ago(500) },
              { type: 'Ready', status: 'False', reason: 'ContainersNotReady', lastTransitionTime: ago(500) },
            ],
          },
        }),
      ],
      [],
    ],
    [
      'G4: completed',
      [
        ...web,
        pod('job-1', {
          metadata: owner('Job', 'import'),
          status: {
            phase: 'Succeeded',
            conditions: [
              { type: 'Ready', status: 'False', reason: 'PodCompleted', lastTransitionTime: dayOld },
            ],
          },
        }),
      ],
      [],
    ],
    [
      'G4: of a Job',
      [...web, pod('job-1', { metadata: owner('Job', 'import'), status: { conditions: unready(900) } })],
      [],
    ],
    [
      'G8: evicted by a drain',
      [
        ...web,
        deployment('web', { replicas: 2 }),
        ...healthy,
        pod('web-3', {
          status: {
            conditions: [
              ...unready(400),
              { type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI' },
            ],
          },
        }),
      ],
      [],
    ],
    [
      'evicted by its kubelet',
      [
        ...web,
        deployment('web', { replicas: 2 }),
        ...healthy,
        pod('web-3', {
          status: {
            phase: 'Failed',
            reason: 'Evicted',
            message: 'The node was low on resource',
            conditions: unready(60),
            containerStatuses: [],
          },
        }),
      ],
      ['pod.evicted P4 Deployment/shop/web'],
    ],
    [
      'evicted long ago',
      [
        ...web,
        deployment('web', { replicas: 2 }),
        ...healthy,
        pod('web-3', {
          status: { phase: 'Failed', reason: 'Evicted', conditions: unready(7_200), containerStatuses: [] },
        }),
      ],
      [],
    ],
    [
      'failed and nobody owns it',
      [
        ...web,
        pod('lone', {
          metadata: { ownerReferences: [] },
          status: {
            phase: 'Failed',
            conditions: unready(100),
            containerStatuses: [container(ended('Error', 3, 100))],
          },
        }),
      ],
      ['pod.failed P3 Pod/shop/lone'],
    ],
    [
      'failed in a Job',
      [
        ...web,
        pod('job-1', {
          metadata: owner('Job', 'import'),
          status: { phase: 'Failed', conditions: unready(100) },
        }),
      ],
      [],
    ],
    [
      'does not end',
      [
        ...web,
        deployment('web', { replicas: 2 }),
        ...healthy,
        pod('web-3', { metadata: { deletionTimestamp: ago(500), finalizers: ['x/y'] } }),
      ],
      ['pod.stuck-terminating P3 Deployment/shop/web'],
    ],
    [
      'ends in its time',
      [
        ...web,
        deployment('web', { replicas: 2 }),
        ...healthy,
        pod('web-3', { metadata: { deletionTimestamp: ago(60) }, status: { conditions: unready(60) } }),
      ],
      [],
    ],
    [
      'unknown',
      [
        ...web,
        deployment('web', { replicas: 2 }),
        ...healthy,
        pod('web-3', { status: { phase: 'Unknown' } }),
      ],
      ['pod.unknown P3 Deployment/shop/web'],
    ],
    [
      'many evictions on a node',
      [
        ...web,
        ...[1, 2, 3, 4, 5].map((n) =>
          pod(`lone-${n}`, {
            metadata: owner('ReplicaSet', `app${n}`),
            status: {
              phase: 'Failed',
              reason: 'Evicted',
              conditions: unready(60 + n),
              containerStatuses: [],
            },
          }),
        ),
      ],
      ['pod.evictions P2 Node/-/n1', ...[1, 2, 3, 4, 5].map((n) => `pod.evicted P4 ReplicaSet/shop/app${n}`)],
    ],
  ]);
});

describe('nodes', () => {
  const many = ['n2', 'n3', 'n4', 'n5', 'n6'].map((name) => node(name));
  run([
    [
      'one of many silent',
      [node('n1', { ready: 'Unknown', since: 60 }), ...many],
      ['node.not-ready P2 Node/-/n1'],
    ],
    [
      'control plane',
      [
        node('n1', {
          ready: 'False',
          since: 60,
          metadata: { labels: { 'node-role.kubernetes.io/control-plane': '' } },
        }),
        ...many,
      ],
      ['node.not-ready.grave P1 Node/-/n1'],
    ],
    [
      'a third of the nodes',
      [node('n1', { ready: 'False' }), node('n2'), node('n3')],
      ['node.not-ready.grave P1 Node/-/n1'],
    ],
    [
      'half of the nodes',
      [node('n1', { ready: 'False' }), node('n2', { ready: 'Unknown' }), node('n3'), node('n4')],
      [
        'node.not-ready.grave P1 Node/-/n1',
        'node.not-ready.grave P1 Node/-/n2',
        'node.not-ready.most P0 Cluster/-/nodes',
      ],
    ],
    ['the only node', [node('n1', { ready: 'False' })], ['node.not-ready.most P0 Node/-/n1']],
    [
      'a node that joins',
      [node('n1', { ready: 'False', since: 20, metadata: { creationTimestamp: ago(25) } }), ...many],
      [],
    ],
    [
      'G5: cordoned',
      [node('n1', { ready: 'False', spec: { unschedulable: true } }), ...many],
      ['node.cordoned P3 Node/-/n1', 'node.not-ready P4 Node/-/n1'],
    ],
    [
      'disk pressure',
      [
        node('n1', {
          status: {
            conditions: [
              { type: 'Ready', status: 'True' },
              { type: 'DiskPressure', status: 'True', lastTransitionTime: ago(200) },
            ],
          },
        }),
        ...many,
      ],
      ['node.pressure P2 Node/-/n1'],
    ],
    [
      'no network',
      [
        node('n1', {
          status: {
            conditions: [
              { type: 'Ready', status: 'True' },
              { type: 'NetworkUnavailable', status: 'True', lastTransitionTime: ago(200) },
            ],
          },
        }),
        ...many,
      ],
      ['node.network-unavailable P1 Node/-/n1'],
    ],
    [
      'too many pods',
      [
        node('n1', {
          status: { allocatable: { pods: '2' }, conditions: [{ type: 'Ready', status: 'True' }] },
        }),
        ...many,
        deployment('web', { replicas: 2 }),
        replicaSet('web-abc12', 'web'),
        pod('web-1'),
        pod('web-2'),
      ],
      ['node.pods P3 Node/-/n1'],
    ],
  ]);

  it('names what lost all its pods with the node, which makes it grave', () => {
    const look = new ClusterLook([
      ...many,
      node('n1', { ready: 'Unknown', since: 40 }),
      replicaSet('web-abc12', 'web'),
      deployment('web', { replicas: 1, available: 0, unavailableFor: 40 }),
      pod('web-1', { status: { conditions: unready(40) } }),
    ]);
    expect(look.conditions()).toContain('node.not-ready.grave P1 Node/-/n1');
  });

  it('sees versions too far apart, once the version of the server is known', () => {
    const look = new ClusterLook([
      node('n1', {
        status: { conditions: [{ type: 'Ready', status: 'True' }], nodeInfo: { kubeletVersion: 'v1.30.2' } },
      }),
    ]);
    expect(look.conditions()).toEqual([]);
    look.probes = { ...noProbes, serverVersion: 'v1.36.0' };
    expect(look.conditions()).toEqual(['node.version-skew P4 Node/-/n1']);
  });
});

describe('deployments', () => {
  run([
    ['healthy', [deployment('web')], []],
    [
      'none available',
      [deployment('web', { available: 0 })],
      ['workload.none-available P1 Deployment/shop/web'],
    ],
    [
      'below its minimum',
      [deployment('web', { replicas: 4, available: 2 })],
      ['workload.below-minimum P2 Deployment/shop/web'],
    ],
    [
      'one of many missing',
      [deployment('web', { replicas: 10, available: 9 })],
      ['workload.partial P3 Deployment/shop/web'],
    ],
    ['G7: scaled to zero', [deployment('web', { replicas: 0, available: 0 })], []],
    ['G7: paused', [deployment('web', { available: 0, spec: { paused: true } })], []],
    [
      'stuck with available pods',
      [
        deployment('web', {
          available: 3,
          status: {
            updatedReplicas: 1,
            replicas: 4,
            conditions: [
              { type: 'Available', status: 'True', lastTransitionTime: dayOld },
              {
                type: 'Progressing',
                status: 'False',
                reason: 'ProgressDeadlineExceeded',
                lastTransitionTime: ago(5),
              },
            ],
          },
        }),
      ],
      ['deployment.stuck P2 Deployment/shop/web'],
    ],
    [
      'stuck with none',
      [
        deployment('web', {
          available: 0,
          status: {
            updatedReplicas: 1,
            conditions: [
              { type: 'Available', status: 'False', lastTransitionTime: ago(700) },
              {
                type: 'Progressing',
                status: 'False',
                reason: 'ProgressDeadlineExceeded',
                lastTransitionTime: ago(5),
              },
            ],
          },
        }),
      ],
      ['workload.none-available P1 Deployment/shop/web'],
    ],
    [
      'G2: rolling with fewer pods',
      [
        deployment('web', {
          available: 2,
          status: {
            updatedReplicas: 1,
            replicas: 4,
            conditions: [
              { type: 'Available', status: 'True', lastTransitionTime: dayOld },
              { type: 'Progressing', status: 'True', reason: 'ReplicaSetUpdated' },
            ],
          },
        }),
      ],
      [],
    ],
    [
      'G2: first rollout',
      [
        deployment('web', {
          available: 0,
          metadata: { generation: 1, creationTimestamp: ago(200) },
          status: {
            observedGeneration: 1,
            updatedReplicas: 2,
            conditions: [
              { type: 'Available', status: 'False', lastTransitionTime: ago(200) },
              { type: 'Progressing', status: 'True', reason: 'NewReplicaSetCreated' },
            ],
          },
        }),
      ],
      [],
    ],
    [
      'pods cannot be created',
      [
        deployment('web', {
          status: {
            conditions: [
              { type: 'Available', status: 'True', lastTransitionTime: dayOld },
              {
                type: 'ReplicaFailure',
                status: 'True',
                reason: 'FailedCreate',
                message: 'exceeded quota',
                lastTransitionTime: ago(100),
              },
            ],
          },
        }),
      ],
      ['workload.replica-failure P2 Deployment/shop/web'],
    ],
    [
      'cluster DNS',
      [
        deployment('coredns', {
          namespace: 'kube-system',
          available: 0,
          metadata: { labels: { 'k8s-app': 'kube-dns' } },
        }),
      ],
      ['workload.platform-down P0 Deployment/kube-system/coredns'],
    ],
    [
      'one level less in a trial',
      [deployment('web', { available: 0, metadata: { labels: { environment: 'dev' } } })],
      ['workload.none-available P2 Deployment/shop/web'],
    ],
  ]);
});

function statefulSet(
  name: string,
  replicas: number,
  ready: number,
  more: Record<string, unknown> = {},
  spec = {},
): KubeObject {
  return make('StatefulSet', name, {
    spec: { replicas, serviceName: name, template: { metadata: { labels: { app: name } } }, ...spec },
    status: {
      replicas,
      readyReplicas: ready,
      currentRevision: 'a',
      updateRevision: 'a',
      updatedReplicas: replicas,
      ...more,
    },
  });
}
function daemonSet(
  name: string,
  desired: number,
  available: number,
  more: Record<string, unknown> = {},
  namespace = 'shop',
): KubeObject {
  return make('DaemonSet', name, {
    namespace,
    spec: { template: { metadata: { labels: { app: name } } } },
    status: {
      desiredNumberScheduled: desired,
      currentNumberScheduled: desired,
      numberAvailable: available,
      numberUnavailable: desired - available,
      updatedNumberScheduled: desired,
      numberMisscheduled: 0,
      ...more,
    },
  });
}

describe('stateful sets and daemon sets', () => {
  run([
    ['healthy', [statefulSet('db', 3, 3), daemonSet('agent', 3, 3)], []],
    ['none ready', [statefulSet('db', 3, 0)], ['workload.none-available P1 StatefulSet/shop/db']],
    ['some not ready', [statefulSet('db', 3, 2)], ['stateful-set.partial P2 StatefulSet/shop/db']],
    [
      'a rollout that may stand still',
      [statefulSet('db', 3, 3, { updateRevision: 'b', updatedReplicas: 1 })],
      ['stateful-set.rollout-stuck P3 StatefulSet/shop/db'],
    ],
    [
      'a partition is intent',
      [
        statefulSet(
          'db',
          3,
          3,
          { updateRevision: 'b', updatedReplicas: 1 },
          { updateStrategy: { rollingUpdate: { partition: 2 } } },
        ),
      ],
      [],
    ],
    ['scaled to zero', [statefulSet('db', 0, 0)], []],
    ['misses pods', [daemonSet('agent', 3, 2)], ['daemon-set.partial P3 DaemonSet/shop/agent']],
    [
      'misses a pod on a broken node',
      [daemonSet('agent', 6, 5), ...web.slice(1), node('n6', { ready: 'Unknown' })],
      ['node.not-ready P2 Node/-/n6'],
    ],
    [
      'rolling',
      [daemonSet('agent', 3, 2, { updatedNumberScheduled: 1 })],
      ['daemon-set.partial P3 DaemonSet/shop/agent'],
    ],
    [
      'kube-proxy on few nodes',
      [daemonSet('kube-proxy', 6, 5, {}, 'kube-system')],
      ['network-plugin.partial P2 DaemonSet/kube-system/kube-proxy'],
    ],
    [
      'the network on most nodes',
      [daemonSet('cilium', 6, 1, {}, 'kube-system')],
      ['network-plugin.most P1 DaemonSet/kube-system/cilium'],
    ],
    [
      'where it should not run',
      [daemonSet('agent', 3, 3, { numberMisscheduled: 1 })],
      ['daemon-set.misscheduled P4 DaemonSet/shop/agent'],
    ],
  ]);
});

const failedJob = (name: string, more: Record<string, unknown> = {}, seconds = 60): KubeObject =>
  make('Job', name, {
    metadata: { creationTimestamp: ago(seconds + 60), ...more },
    status: {
      failed: 3,
      conditions: [
        { type: 'Failed', status: 'True', reason: 'BackoffLimitExceeded', lastTransitionTime: ago(seconds) },
      ],
    },
  });

describe('jobs and cron jobs', () => {
  run([
    ['failed', [failedJob('import')], ['job.failed P3 Job/shop/import']],
    [
      'failed and critical',
      [failedJob('import', { labels: { 'gomon.io/critical': 'true' } })],
      ['job.failed.critical P2 Job/shop/import'],
    ],
    ['failed days ago', [failedJob('import', {}, 200_000)], []],
    [
      'of a CronJob',
      [failedJob('nightly-29711615', owner('CronJob', 'nightly'))],
      ['job.failed P3 CronJob/shop/nightly'],
    ],
    [
      'made good by a newer run',
      [
        failedJob('nightly-1', owner('CronJob', 'nightly'), 600),
        make('Job', 'nightly-2', {
          metadata: { creationTimestamp: ago(60), ...owner('CronJob', 'nightly') },
          status: { conditions: [{ type: 'Complete', status: 'True' }] },
        }),
      ],
      [],
    ],
    [
      'suspended',
      [
        make('Job', 'import', {
          spec: { suspend: true },
          status: { conditions: [{ type: 'Suspended', status: 'True' }] },
        }),
      ],
      [],
    ],
    [
      'runs for very long',
      [make('Job', 'import', { status: { active: 1, startTime: ago(90_000) } })],
      ['job.not-completed P3 Job/shop/import'],
    ],
    [
      'not started in time',
      [
        make('CronJob', 'nightly', {
          spec: { schedule: '*/10 * * * *' },
          status: { lastScheduleTime: ago(1_800) },
        }),
      ],
      ['cron-job.missed P3 CronJob/shop/nightly'],
    ],
    [
      'started in time',
      [
        make('CronJob', 'nightly', {
          spec: { schedule: '*/10 * * * *' },
          status: { lastScheduleTime: ago(600) },
        }),
      ],
      [],
    ],
    [
      'its run before it still runs',
      [
        make('CronJob', 'nightly', {
          spec: { schedule: '*/10 * * * *', concurrencyPolicy: 'Forbid' },
          status: { lastScheduleTime: ago(1_800), active: [{}] },
        }),
      ],
      [],
    ],
  ]);
});

const service = (name: string, more: Record<string, unknown> = {}, namespace = 'shop'): KubeObject =>
  make('Service', name, {
    namespace,
    spec: { selector: { app: name }, ports: [{ port: 80, name: 'http' }], ...more },
  });
const slice = (of: string, ready: (boolean | null)[], namespace = 'shop'): KubeObject =>
  make('EndpointSlice', `${of}-x`, {
    namespace,
    metadata: { labels: { 'kubernetes.io/service-name': of } },
    endpoints: ready.map((value, index) => ({
      conditions: { ready: value },
      targetRef: { uid: `${of}-${index}` },
    })),
  });
const ingress = (
  name: string,
  backends: [host: string, service: string, port: number][],
  more: Record<string, unknown> = {},
): KubeObject =>
  make('Ingress', name, {
    spec: {
      rules: backends.map(([host, to, port]) => ({
        host,
        http: { paths: [{ path: `/${to}`, backend: { service: { name: to, port: { number: port } } } }] },
      })),
      ...more,
    },
    status: { loadBalancer: { ingress: [{ ip: '10.0.0.1' }] } },
  });

describe('services and ingresses', () => {
  run([
    ['healthy, null is ready', [deployment('web'), service('web'), slice('web', [true, null, true])], []],
    [
      'no endpoint',
      [deployment('web'), service('web'), slice('web', [false, false])],
      ['service.no-endpoints P2 Service/shop/web'],
    ],
    ['no slice at all', [deployment('web'), service('web')], ['service.no-endpoints P2 Service/shop/web']],
    [
      'no endpoint behind an Ingress',
      [deployment('web'), service('web'), slice('web', []), ingress('i', [['a', 'web', 80]])],
      ['service.no-endpoints.used P1 Service/shop/web'],
    ],
    [
      'few endpoints',
      [deployment('web'), service('web'), slice('web', [true])],
      ['service.few-endpoints P2 Service/shop/web'],
    ],
    ['without a selector', [service('web', { selector: undefined })], []],
    ['external name', [service('web', { type: 'ExternalName' })], []],
    ['nothing wants pods', [deployment('web', { replicas: 0, available: 0 }), service('web')], []],
    ['selects nothing', [service('web')], []],
    [
      'just made',
      [
        deployment('web'),
        { ...service('web'), metadata: { ...service('web').metadata, creationTimestamp: ago(30) } },
      ],
      [],
    ],
    [
      'no load balancer',
      [deployment('web'), service('web', { type: 'LoadBalancer' }), slice('web', [true, true, true])],
      ['service.load-balancer-pending P2 Service/shop/web'],
    ],
    [
      'backend missing on one path',
      [
        deployment('web'),
        service('web'),
        slice('web', [true, true, true]),
        ingress('i', [
          ['a', 'web', 80],
          ['a', 'other', 80],
        ]),
      ],
      ['ingress.backend-missing P2 Ingress/shop/i'],
    ],
    [
      'all backends missing',
      [ingress('i', [['a', 'other', 80]])],
      ['ingress.backend-missing.all P1 Ingress/shop/i'],
    ],
    [
      'port missing',
      [deployment('web'), service('web'), slice('web', [true, true, true]), ingress('i', [['a', 'web', 81]])],
      ['ingress.backend-missing.all P1 Ingress/shop/i'],
    ],
    [
      'class missing',
      [ingress('i', [], { ingressClassName: 'nginx' })],
      ['ingress.no-class P3 Ingress/shop/i'],
    ],
    [
      'class there',
      [ingress('i', [], { ingressClassName: 'nginx' }), make('IngressClass', 'nginx', { namespace: null })],
      [],
    ],
    [
      'no address',
      [{ ...ingress('i', []), status: { loadBalancer: {} } }],
      ['ingress.no-address P3 Ingress/shop/i'],
    ],
    [
      'ingress controller as a DaemonSet',
      [
        make('DaemonSet', 'ingress', {
          namespace: 'ingress-nginx',
          metadata: { labels: { 'app.kubernetes.io/component': 'controller' } },
          status: {
            desiredNumberScheduled: 2,
            updatedNumberScheduled: 2,
            numberAvailable: 0,
            numberUnavailable: 2,
          },
        }),
      ],
      [
        'daemon-set.partial P3 DaemonSet/ingress-nginx/ingress',
        'ingress.controller-down P0 DaemonSet/ingress-nginx/ingress',
      ],
    ],
    [
      'DNS without endpoints',
      [service('kube-dns', {}, 'kube-system'), slice('kube-dns', [false, false], 'kube-system')],
      ['dns.down P0 Service/kube-system/kube-dns'],
    ],
    [
      'DNS with few',
      [service('kube-dns', {}, 'kube-system'), slice('kube-dns', [true, false, false], 'kube-system')],
      ['dns.partial P2 Service/kube-system/kube-dns'],
    ],
  ]);
});

describe('storage, autoscalers, budgets, quotas', () => {
  const claim = (phase: string) =>
    make('PersistentVolumeClaim', 'data', { spec: { storageClassName: 'fast' }, status: { phase } });
  const waits = pod('lone', {
    metadata: { ownerReferences: [] },
    spec: { volumes: [{ persistentVolumeClaim: { claimName: 'data' } }] },
    status: {
      phase: 'Pending',
      conditions: [
        { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', lastTransitionTime: ago(400) },
      ],
    },
  });
  const hpa = (conditions: unknown[], spec = {}, status = {}) =>
    make('HorizontalPodAutoscaler', 'web', {
      spec: { minReplicas: 1, maxReplicas: 4, scaleTargetRef: { kind: 'Deployment', name: 'web' }, ...spec },
      status: { conditions, ...status },
    });
  run([
    ['a claim nobody waits for', [claim('Pending')], []],
    [
      'a claim a pod waits for',
      [claim('Pending'), waits],
      ['pod.unschedulable P3 Pod/shop/lone', 'volume.claim-pending P2 PersistentVolumeClaim/shop/data'],
    ],
    [
      'a claim of a class that binds at once',
      [claim('Pending'), make('StorageClass', 'fast', { namespace: null, volumeBindingMode: 'Immediate' })],
      ['volume.claim-pending P2 PersistentVolumeClaim/shop/data'],
    ],
    ['a lost claim', [claim('Lost')], ['volume.claim-lost P1 PersistentVolumeClaim/shop/data']],
    [
      'volumes',
      [
        make('PersistentVolume', 'pv1', { namespace: null, status: { phase: 'Failed' } }),
        make('PersistentVolume', 'pv2', { namespace: null, status: { phase: 'Bound' } }),
      ],
      ['volume.failed P2 PersistentVolume/-/pv1'],
    ],
    [
      'attachment',
      [
        make('VolumeAttachment', 'va', {
          namespace: null,
          spec: { nodeName: 'n1', source: { persistentVolumeName: 'pv1' } },
          status: { attachError: { message: 'limit' } },
        }),
      ],
      ['volume.mount-failed P2 PersistentVolume/-/pv1'],
    ],
    [
      'at its maximum',
      [hpa([{ type: 'ScalingLimited', status: 'True', reason: 'TooManyReplicas' }])],
      ['hpa.maxed P3 HorizontalPodAutoscaler/shop/web'],
    ],
    [
      'at its maximum, and too little',
      [
        hpa(
          [{ type: 'ScalingLimited', status: 'True', reason: 'TooManyReplicas' }],
          { metrics: [{ resource: { name: 'cpu', target: { averageUtilization: 70 } } }] },
          { currentMetrics: [{ resource: { name: 'cpu', current: { averageUtilization: 88 } } }] },
        ),
      ],
      ['hpa.maxed.over-target P2 HorizontalPodAutoscaler/shop/web'],
    ],
    ['at its minimum', [hpa([{ type: 'ScalingLimited', status: 'True', reason: 'TooFewReplicas' }])], []],
    [
      'cannot scale',
      [hpa([{ type: 'AbleToScale', status: 'False', reason: 'FailedGetScale' }])],
      ['hpa.broken P3 HorizontalPodAutoscaler/shop/web'],
    ],
    ['G7: switched off', [hpa([{ type: 'ScalingActive', status: 'False', reason: 'ScalingDisabled' }])], []],
    [
      'budget',
      [
        make('PodDisruptionBudget', 'web', {
          status: { currentHealthy: 1, desiredHealthy: 2, expectedPods: 3 },
        }),
      ],
      ['pdb.unhealthy P3 PodDisruptionBudget/shop/web'],
    ],
    [
      'quotas',
      [
        make('ResourceQuota', 'q', {
          status: { hard: { pods: '10', cpu: '4' }, used: { pods: '5', cpu: '3800m' } },
        }),
        make('ResourceQuota', 'r', { status: { hard: { memory: '1Gi' }, used: { memory: '1024Mi' } } }),
      ],
      ['quota.nearly-full P4 ResourceQuota/shop/q', 'quota.full P3 ResourceQuota/shop/r'],
    ],
  ]);
});

describe('control plane', () => {
  const lease = (name: string, seconds: number) =>
    make('Lease', name, { namespace: 'kube-system', spec: { renewTime: ago(seconds) } });
  const etcd = (name: string, ready: boolean) =>
    make('Pod', `etcd-${name}`, {
      namespace: 'kube-system',
      metadata: { labels: { tier: 'control-plane', component: 'etcd' }, ...owner('Node', name) },
      spec: { nodeName: name },
      status: { phase: 'Running', conditions: ready ? [{ type: 'Ready', status: 'True' }] : unready(100) },
    });
  run([
    ['leases in time', [lease('kube-scheduler', 5), lease('kube-controller-manager', 10)], []],
    [
      'a lease that is not renewed',
      [lease('kube-scheduler', 90)],
      ['control-plane.lease P1 Lease/kube-system/kube-scheduler'],
    ],
    [
      'one etcd of three',
      [etcd('a', true), etcd('b', true), etcd('c', false)],
      ['control-plane.pod P2 StaticPod/kube-system/etcd', 'pod.not-ready P2 StaticPod/kube-system/etcd'],
    ],
    [
      'two etcd of three',
      [etcd('a', true), etcd('b', false), etcd('c', false)],
      [
        'control-plane.etcd-quorum P0 StaticPod/kube-system/etcd',
        'pod.not-ready P2 StaticPod/kube-system/etcd',
      ],
    ],
    [
      'aggregated API',
      [
        make('APIService', 'v1.x', {
          namespace: null,
          spec: { group: 'x', service: { name: 'x', namespace: 'y' } },
          status: { conditions: [{ type: 'Available', status: 'False', lastTransitionTime: ago(400) }] },
        }),
      ],
      ['control-plane.api-service P2 APIService/-/v1.x'],
    ],
    [
      'webhook',
      [
        event({ kind: 'ReplicaSet', name: 'x' }, 'FailedCreate', {
          message: 'Internal error occurred: failed calling webhook "w.example": timeout',
        }),
      ],
      ['control-plane.webhook P2 Webhook/-/w.example'],
    ],
    [
      'system OOM',
      [event({ kind: 'Node', name: 'n1', namespace: 'default' }, 'SystemOOM')],
      ['event.system-oom P2 Node/-/n1'],
    ],
    [
      'old event after a relist',
      [event({ kind: 'Node', name: 'n1', namespace: 'default' }, 'SystemOOM', { seconds: 3_000 })],
      [],
    ],
  ]);

  describe('API server', () => {
    run([['fails', [], ['control-plane.unreachable P0 Cluster/-/api-server']]], {
      ...noProbes,
      apiServer: { failures: 2, failingSince: null, failing: ['etcd'], detail: '503' },
    });
  });
});

describe('rights', () => {
  const binding = (name: string, subject: Record<string, string>, role = 'cluster-admin') =>
    make('ClusterRoleBinding', name, {
      namespace: null,
      subjects: [subject],
      roleRef: { kind: 'ClusterRole', name: role },
    });
  const role = (name: string, rules: unknown[]) => make('ClusterRole', name, { namespace: null, rules });
  const defaultOf = (namespace: string) => ({ kind: 'ServiceAccount', name: 'default', namespace });
  /** As admission leaves a pod whose account mounts its token. */
  const withToken = (
    token: Record<string, string> = {},
    mountPath = '/var/run/secrets/kubernetes.io/serviceaccount',
  ) => ({
    spec: {
      serviceAccountName: 'default',
      containers: [{ name: 'main', volumeMounts: [{ name: 'kube-api-access-x', mountPath }] }],
      volumes: [
        {
          name: 'kube-api-access-x',
          projected: { sources: [{ serviceAccountToken: { path: 'token', ...token } }] },
        },
      ],
    },
  });
  const ownAccount = { spec: { ...withToken().spec, serviceAccountName: 'web' } };
  run([
    [
      'masters and defaults',
      [role('cluster-admin', []), binding('m', { kind: 'Group', name: 'system:masters' })],
      [],
    ],
    [
      'somebody is cluster-admin',
      [role('cluster-admin', []), binding('b', { kind: 'User', name: 'joe' })],
      ['rbac.risky P3 ClusterRoleBinding/-/b'],
    ],
    [
      'the default account',
      [role('cluster-admin', []), binding('b', { kind: 'ServiceAccount', name: 'default' })],
      ['rbac.grave P2 ClusterRoleBinding/-/b'],
    ],
    [
      'anonymous',
      [role('view', []), binding('b', { kind: 'User', name: 'system:anonymous' }, 'view')],
      ['rbac.grave P2 ClusterRoleBinding/-/b'],
    ],
    [
      'missing role',
      [binding('b', { kind: 'User', name: 'joe' }, 'gone')],
      ['rbac.missing-role P3 ClusterRoleBinding/-/b'],
    ],
    [
      'the default account, bound and not used',
      [role('view', []), binding('b', defaultOf('shop'), 'view'), pod('web-1', ownAccount)],
      ['rbac.risky P3 ClusterRoleBinding/-/b'],
    ],
    [
      'the default account, bound and used by pods',
      [role('view', []), binding('b', defaultOf('shop'), 'view'), pod('web-1', withToken())],
      ['rbac.default-account P3 ClusterRoleBinding/-/b'],
    ],
    [
      'the default account, bound in its namespace by a Role',
      [
        make('Role', 'reader', { rules: [{ verbs: ['get'], resources: ['pods'] }] }),
        make('RoleBinding', 'b', {
          subjects: [{ kind: 'ServiceAccount', name: 'default' }],
          roleRef: { kind: 'Role', name: 'reader' },
        }),
        pod('web-1', withToken()),
      ],
      ['rbac.default-account P3 RoleBinding/shop/b'],
    ],
    [
      'the default account of another namespace',
      [role('view', []), binding('b', defaultOf('other'), 'view'), pod('web-1', withToken())],
      ['rbac.risky P3 ClusterRoleBinding/-/b'],
    ],
    [
      'the default account, bound, where no pod mounts the token, or it is for somebody else',
      [
        role('view', []),
        binding('b', defaultOf('shop'), 'view'),
        pod('web-1', { spec: { automountServiceAccountToken: false } }),
        pod('web-2', withToken({ audience: 'vault' }, '/var/run/vault')),
        pod('web-3', { ...withToken(), status: { phase: 'Succeeded' } }),
      ],
      ['rbac.risky P3 ClusterRoleBinding/-/b'],
    ],
    [
      'the default account that is cluster-admin, and used',
      [role('cluster-admin', []), binding('b', defaultOf('shop')), pod('web-1', withToken())],
      ['rbac.grave P2 ClusterRoleBinding/-/b'],
    ],
    ['pods that hold the token of an account without rights', [pod('web-1', withToken())], []],
    [
      'what Kubernetes itself binds',
      [
        role('system:discovery', []),
        make('ClusterRoleBinding', 'system:discovery', {
          namespace: null,
          metadata: { labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults' } },
          subjects: [defaultOf('shop')],
          roleRef: { kind: 'ClusterRole', name: 'system:discovery' },
        }),
        pod('web-1', withToken()),
      ],
      [],
    ],
    [
      'everything',
      [role('wide', [{ verbs: ['*'], resources: ['*'] }])],
      ['rbac.risky P3 ClusterRole/-/wide'],
    ],
  ]);
});

it('has a name of its own for each detector', () => {
  expect(new Set(detectors.map(({ name }) => name)).size).toBe(detectors.length);
});
