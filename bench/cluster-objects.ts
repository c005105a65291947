import type { GivenObject } from '../sandbox/kubernetes/object-store.ts';

/** A large cluster in good health, of objects of the size that real ones have. */

const namespaces = 20;
const podsPerApp = 10;
const podsPerNode = 50;
const configMapsPerNamespace = 10;

export type App = { name: string; namespace: string; pods: string[] };

export type BenchCluster = { objects: GivenObject[]; apps: App[]; nodes: string[] };

export function benchCluster(podCount: number, now: Date): BenchCluster {
  const objects: GivenObject[] = [];
  const nodes = Array.from({ length: Math.ceil(podCount / podsPerNode) }, (_, number) => `node-${number}`);
  for (const name of nodes) objects.push(nodeObject(name, true, now));
  const apps: App[] = [];
  for (let number = 0; number < podCount / podsPerApp; number += 1) {
    const namespace = `team-${number % namespaces}`;
    const name = `app-${number}`;
    const pods = Array.from({ length: podsPerApp }, (_, place) => `${name}-5d8f6c7b9-${place}`);
    apps.push({ name, namespace, pods });
    objects.push(deployment(name, namespace, podsPerApp, now), replicaSet(name, namespace, now));
    objects.push(service(name, namespace, now), endpointSlice(name, namespace, pods, now));
    for (const [place, pod] of pods.entries()) {
      const node = nodes[(number * podsPerApp + place) % nodes.length] ?? '';
      objects.push(podObject({ name: pod, app: name, namespace, node }, healthy, now));
    }
  }
  for (let number = 0; number < namespaces * configMapsPerNamespace; number += 1) {
    objects.push({
      kind: 'ConfigMap',
      metadata: { name: `settings-${number}`, namespace: `team-${number % namespaces}` },
      data: { 'app.yaml': 'level: info\n'.repeat(100), 'limits.yaml': 'rate: 100\n'.repeat(20) },
    });
  }
  return { objects, apps, nodes };
}

export const ago = (now: Date, seconds: number): string =>
  new Date(now.getTime() - seconds * 1_000).toISOString().replace(/\.\d+Z$/, 'Z');

const owned = (kind: string, name: string) => ({
  ownerReferences: [{ apiVersion: 'apps/v1', kind, name, uid: `${kind}-${name}`, controller: true }],
});

export function nodeObject(name: string, isReady: boolean, now: Date): GivenObject {
  const pressure = (type: string) => ({
    type,
    status: 'False',
    reason: `KubeletHasNo${type}`,
    message: `kubelet has no ${type}`,
    lastHeartbeatTime: ago(now, 10),
    lastTransitionTime: ago(now, 864_000),
  });
  return {
    kind: 'Node',
    metadata: {
      name,
      creationTimestamp: ago(now, 864_000),
      labels: { 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux', 'node.kubernetes.io/pool': 'a' },
    },
    spec: { podCIDR: '10.0.0.0/24', providerID: `bench://${name}` },
    status: {
      allocatable: { cpu: '32', memory: '128Gi', pods: '110' },
      capacity: { cpu: '32', memory: '130Gi', pods: '110' },
      conditions: [
        ...['MemoryPressure', 'DiskPressure', 'PIDPressure'].map(pressure),
        {
          type: 'Ready',
          status: isReady ? 'True' : 'Unknown',
          reason: isReady ? 'KubeletReady' : 'NodeStatusUnknown',
          message: isReady ? 'kubelet is posting ready status' : 'Kubelet stopped posting node status.',
          lastHeartbeatTime: ago(now, 10),
          lastTransitionTime: ago(now, isReady ? 863_000 : 120),
        },
      ],
      images: Array.from({ length: 30 }, (_, number) => ({
        names: [`registry.example.com/team/image-${number}:v${number}.2.3`],
        sizeBytes: 123_456_789 + number,
      })),
      nodeInfo: {
        kubeletVersion: 'v1.35.0',
        osImage: 'Bench Linux',
        containerRuntimeVersion: 'containerd://2.1',
      },
    },
  };
}

/** `available` less than all: for two minutes. */
export function deployment(name: string, namespace: string, available: number, now: Date): GivenObject {
  const isAvailable = available > 0;
  return {
    kind: 'Deployment',
    apiVersion: 'apps/v1',
    metadata: { name, namespace, labels: { app: name }, creationTimestamp: ago(now, 864_000) },
    spec: {
      replicas: podsPerApp,
      selector: { matchLabels: { app: name } },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '25%', maxSurge: '25%' } },
      template: { metadata: { labels: { app: name } }, spec: podSpec(name, null) },
    },
    status: {
      observedGeneration: 1,
      replicas: podsPerApp,
      updatedReplicas: podsPerApp,
      readyReplicas: available,
      availableReplicas: available,
      conditions: [
        {
          type: 'Available',
          status: isAvailable ? 'True' : 'False',
          reason: isAvailable ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable',
          lastTransitionTime: ago(now, isAvailable ? 863_000 : 120),
        },
        {
          type: 'Progressing',
          status: 'True',
          reason: 'NewReplicaSetAvailable',
          lastTransitionTime: ago(now, 863_000),
        },
      ],
    },
  };
}

function replicaSet(name: string, namespace: string, now: Date): GivenObject {
  return {
    kind: 'ReplicaSet',
    apiVersion: 'apps/v1',
    metadata: {
      name: `${name}-5d8f6c7b9`,
      namespace,
      labels: { app: name, 'pod-template-hash': '5d8f6c7b9' },
      creationTimestamp: ago(now, 864_000),
      ...owned('Deployment', name),
    },
    spec: {
      replicas: podsPerApp,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: podSpec(name, null) },
    },
    status: { replicas: podsPerApp, readyReplicas: podsPerApp, availableReplicas: podsPerApp },
  };
}

function service(name: string, namespace: string, now: Date): GivenObject {
  return {
    kind: 'Service',
    metadata: { name, namespace, creationTimestamp: ago(now, 864_000) },
    spec: { type: 'ClusterIP', clusterIP: '10.1.2.3', selector: { app: name }, ports: [{ port: 80 }] },
  };
}

export function endpointSlice(
  name: string,
  namespace: string,
  pods: readonly string[],
  now: Date,
): GivenObject {
  return {
    kind: 'EndpointSlice',
    apiVersion: 'discovery.k8s.io/v1',
    metadata: {
      name: `${name}-x7k2p`,
      namespace,
      labels: { 'kubernetes.io/service-name': name },
      creationTimestamp: ago(now, 864_000),
    },
    addressType: 'IPv4',
    endpoints: pods.map((pod, place) => ({
      addresses: [`10.2.3.${place}`],
      conditions: { ready: true, serving: true, terminating: false },
      targetRef: { kind: 'Pod', name: pod, namespace, uid: `uid-${pod}` },
    })),
    ports: [{ name: 'http', port: 8_080, protocol: 'TCP' }],
  };
}

/** How its one container does, and since when its pod is not ready (null: it is). */
export type PodState = {
  phase: string;
  container: Record<string, unknown> | null;
  unreadySeconds: number | null;
  isScheduled: boolean;
};

export const healthy: PodState = {
  phase: 'Running',
  container: { ready: true, started: true, restartCount: 0, state: {}, lastState: {} },
  unreadySeconds: null,
  isScheduled: true,
};

export function podObject(
  of: { name: string; app: string; namespace: string; node: string },
  state: PodState,
  now: Date,
): GivenObject {
  const { name, app, namespace, node } = of;
  const long = ago(now, 863_000);
  const ready =
    state.unreadySeconds === null
      ? { status: 'True', lastTransitionTime: long }
      : {
          status: 'False',
          reason: 'ContainersNotReady',
          message: 'containers with unready status: [app]',
          lastTransitionTime: ago(now, state.unreadySeconds),
        };
  const scheduled = state.isScheduled
    ? { status: 'True', lastTransitionTime: long }
    : {
        status: 'False',
        reason: 'Unschedulable',
        message: '0/100 nodes are available: 100 Insufficient memory.',
        lastTransitionTime: ago(now, 600),
      };
  return {
    kind: 'Pod',
    metadata: {
      name,
      namespace,
      uid: `uid-${name}`,
      generateName: `${app}-5d8f6c7b9-`,
      labels: { app, 'pod-template-hash': '5d8f6c7b9', 'app.kubernetes.io/part-of': 'bench' },
      annotations: { 'prometheus.io/scrape': 'true', 'prometheus.io/port': '8080' },
      creationTimestamp: ago(now, 864_000),
      ...owned('ReplicaSet', `${app}-5d8f6c7b9`),
    },
    spec: podSpec(app, state.isScheduled ? node : null),
    status: {
      phase: state.phase,
      qosClass: 'Burstable',
      startTime: ago(now, 864_000),
      hostIP: '10.9.8.7',
      podIP: '10.2.3.4',
      podIPs: [{ ip: '10.2.3.4' }],
      conditions: [
        { type: 'PodScheduled', ...scheduled },
        { type: 'PodReadyToStartContainers', status: 'True', lastTransitionTime: long },
        { type: 'Initialized', status: 'True', lastTransitionTime: long },
        { type: 'ContainersReady', ...ready },
        { type: 'Ready', ...ready },
      ],
      containerStatuses:
        state.container === null
          ? []
          : [
              {
                name: 'app',
                image: `registry.example.com/team/${app}:v1.2.3`,
                imageID: `registry.example.com/team/${app}@sha256:${'ab'.repeat(32)}`,
                containerID: `containerd://${'cd'.repeat(32)}`,
                ...state.container,
                ...(state === healthy && { state: { running: { startedAt: long } } }),
              },
            ],
    },
  };
}

function podSpec(app: string, node: string | null): Record<string, unknown> {
  const probe = (path: string) => ({
    httpGet: { path, port: 8_080, scheme: 'HTTP' },
    periodSeconds: 10,
    timeoutSeconds: 1,
    failureThreshold: 3,
    successThreshold: 1,
  });
  return {
    ...(node !== null && { nodeName: node }),
    serviceAccountName: app,
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    containers: [
      {
        name: 'app',
        image: `registry.example.com/team/${app}:v1.2.3`,
        ports: [{ containerPort: 8_080, name: 'http' }],
        env: Array.from({ length: 20 }, (_, number) => ({
          name: `SETTING_${number}`,
          value: `a value of ordinary length ${number}`,
        })),
        resources: { requests: { cpu: '100m', memory: '256Mi' }, limits: { memory: '512Mi' } },
        livenessProbe: probe('/healthz'),
        readinessProbe: probe('/readyz'),
        volumeMounts: [
          { name: 'config', mountPath: '/etc/app' },
          {
            name: 'kube-api-access',
            mountPath: '/var/run/secrets/kubernetes.io/serviceaccount',
            readOnly: true,
          },
        ],
      },
    ],
    volumes: [
      { name: 'config', configMap: { name: 'settings', defaultMode: 420 } },
      { name: 'kube-api-access', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } },
    ],
    tolerations: ['not-ready', 'unreachable'].map((taint) => ({
      key: `node.kubernetes.io/${taint}`,
      operator: 'Exists',
      effect: 'NoExecute',
      tolerationSeconds: 300,
    })),
  };
}
