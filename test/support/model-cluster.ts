import type { KubeObject } from '../../src/cluster/cluster-view.ts';
import { make, owner, type TestView } from './cluster-objects.ts';

/**
 * A cluster with controllers, scheduler and kubelets in miniature: enough that
 * rollouts, drains, jobs and failures leave the traces they leave in a real one.
 * Time passes only by `tick`.
 */

type Pod = {
  name: string;
  uid: string;
  app: string;
  kind: 'ReplicaSet' | 'StatefulSet' | 'DaemonSet' | 'Job';
  revision: number;
  node: string | null;
  createdAt: number;
  startupMs: number;
  readyAt: number | null;
  unreadySince: number | null;
  removeAt: number | null;
  disrupted: boolean;
  done: boolean;
  restarts: number;
  crashedAt: number | null;
};

export type App = {
  name: string;
  kind: 'Deployment' | 'StatefulSet' | 'DaemonSet';
  namespace: string;
  labels: Record<string, string>;
  replicas: number;
  recreate: boolean;
  revision: number;
  settledRevision: number;
  createdAt: number;
  availableSince: number;
  isAvailable: boolean;
  /** Pods of this revision and later fail so. */
  failing: { from: number; how: 'crash' | 'image' | 'never-ready' } | null;
};

type Node = {
  name: string;
  createdAt: number;
  readyAt: number;
  cordoned: boolean;
  draining: boolean;
  silentSince: number | null;
};

type Job = { name: string; createdAt: number; doneAt: number | null; durationMs: number };

export class ModelCluster {
  readonly view: TestView;
  readonly apps = new Map<string, App>();
  readonly nodes = new Map<string, Node>();
  readonly jobs = new Map<string, Job>();
  #pods = new Map<string, Pod>();
  readonly #random: () => number;
  #serial = 0;
  now: number;
  readonly #shown = new Map<string, { object: KubeObject; text: string }>();

  constructor(view: TestView, now: Date, random: () => number) {
    this.view = view;
    this.now = now.getTime();
    this.#random = random;
  }

  /** A number from `least` to `most`. */
  between(least: number, most: number): number {
    return least + Math.floor(this.#random() * (most - least + 1));
  }

  addNode(ageMs = 0): string {
    this.#serial += 1;
    const name = `node-${this.#serial}`;
    const createdAt = this.now - ageMs;
    this.nodes.set(name, {
      name,
      createdAt,
      readyAt: createdAt + 20_000,
      cordoned: false,
      draining: false,
      silentSince: null,
    });
    return name;
  }

  addApp(name: string, parts: Partial<App> = {}): App {
    const app: App = {
      name,
      kind: 'Deployment',
      namespace: 'shop',
      labels: {},
      replicas: 2,
      recreate: false,
      revision: 1,
      settledRevision: 1,
      createdAt: this.now,
      availableSince: this.now,
      isAvailable: false,
      failing: null,
      ...parts,
    };
    this.apps.set(name, app);
    return app;
  }

  runJob(): void {
    this.#serial += 1;
    const name = `job-${this.#serial}`;
    this.jobs.set(name, { name, createdAt: this.now, doneAt: null, durationMs: this.between(5, 90) * 1_000 });
    this.#startPod({ app: name, kind: 'Job', revision: 1 });
  }

  drain(name: string): void {
    const node = this.nodes.get(name);
    if (node !== undefined) node.cordoned = node.draining = true;
  }

  uncordon(name: string): void {
    const node = this.nodes.get(name);
    if (node !== undefined) node.cordoned = node.draining = false;
  }

  /** The kubelet falls silent; the node controller will say so 40 s later. */
  silence(name: string): void {
    const node = this.nodes.get(name);
    if (node !== undefined) node.silentSince = this.now;
  }

  /** Its kubelet speaks again. */
  restore(name: string): void {
    const node = this.nodes.get(name);
    if (node === undefined) return;
    node.silentSince = null;
    node.readyAt = this.now;
  }

  podsOf(app: string): Pod[] {
    return [...this.#pods.values()].filter((pod) => pod.app === app);
  }

  deletePod(pod: Pod, disrupted = false): void {
    if (pod.removeAt !== null) return;
    pod.removeAt = this.now + this.between(2, 12) * 1_000;
    pod.disrupted = disrupted;
    pod.readyAt = null;
    pod.unreadySince = this.now;
  }

  tick(ms: number): void {
    this.now += ms;
    this.#kubelets();
    for (const node of this.nodes.values()) if (node.draining) this.#evict(node);
    for (const app of this.apps.values()) this.#control(app);
    for (const job of this.jobs.values()) this.#controlJob(job);
    this.#show();
  }

  isLost(node: Node): boolean {
    return node.silentSince !== null && this.now - node.silentSince >= 40_000;
  }

  #startPod(parts: Pick<Pod, 'app' | 'kind' | 'revision'> & { node?: string; name?: string }): void {
    this.#serial += 1;
    const name = parts.name ?? `${parts.app}-${this.#serial}`;
    this.#pods.set(name, {
      name,
      uid: `pod-${this.#serial}`,
      app: parts.app,
      kind: parts.kind,
      revision: parts.revision,
      node: parts.node ?? this.#schedule(),
      createdAt: this.now,
      startupMs: (this.#random() < 0.1 ? this.between(30, 80) : this.between(3, 22)) * 1_000,
      readyAt: null,
      unreadySince: this.now,
      removeAt: null,
      disrupted: false,
      done: false,
      restarts: 0,
      crashedAt: null,
    });
  }

  #schedule(): string | null {
    const fit = [...this.nodes.values()].filter(
      (node) => !node.cordoned && node.readyAt <= this.now && node.silentSince === null,
    );
    return fit[this.between(0, Math.max(0, fit.length - 1))]?.name ?? null;
  }

  #kubelets(): void {
    for (const pod of this.#pods.values()) {
      if (pod.removeAt !== null && pod.removeAt <= this.now) this.#pods.delete(pod.name);
      pod.node ??= this.#schedule();
      const node = this.nodes.get(pod.node ?? '');
      if (node === undefined) continue;
      if (this.isLost(node)) {
        if (pod.readyAt !== null) pod.unreadySince = this.now;
        pod.readyAt = null;
        continue;
      }
      const app = this.apps.get(pod.app);
      const fails =
        app?.failing !== null && app !== undefined && pod.revision >= app.failing.from
          ? app.failing.how
          : null;
      if (fails === 'crash' && this.now - (pod.crashedAt ?? pod.createdAt) >= 15_000) {
        pod.restarts += 1;
        pod.crashedAt = this.now;
      }
      if (fails !== null) {
        if (pod.readyAt !== null) pod.unreadySince = this.now;
        pod.readyAt = null;
      } else if (
        pod.readyAt === null &&
        pod.removeAt === null &&
        node.silentSince === null &&
        this.now - pod.createdAt >= pod.startupMs
      ) {
        pod.readyAt = this.now;
      }
    }
  }

  /** One pod of an app at a time, as a disruption budget has it. */
  #evict(node: Node): void {
    for (const pod of this.#pods.values()) {
      if (pod.node !== node.name || pod.kind === 'DaemonSet' || pod.removeAt !== null) continue;
      const others = this.podsOf(pod.app);
      const replicas = this.apps.get(pod.app)?.replicas ?? 1;
      const ready = others.filter((one) => one.readyAt !== null && one.removeAt === null).length;
      if (replicas > 1 && ready < replicas) continue;
      this.deletePod(pod, true);
    }
  }

  #control(app: App): void {
    if (app.kind === 'DaemonSet') return this.#controlDaemons(app);
    const alive = this.podsOf(app.name).filter((pod) => pod.removeAt === null);
    if (app.kind === 'StatefulSet') return this.#controlStateful(app, alive);
    const fresh = alive.filter((pod) => pod.revision === app.revision);
    const old = alive.filter((pod) => pod.revision !== app.revision);
    const kind = 'ReplicaSet';
    if (app.recreate) {
      for (const pod of old) this.deletePod(pod);
      if (this.podsOf(app.name).every((pod) => pod.revision === app.revision))
        for (let i = fresh.length; i < app.replicas; i += 1)
          this.#startPod({ app: app.name, kind, revision: app.revision });
    } else {
      // One more than wanted, and none less than allowed.
      for (let i = alive.length; i < app.replicas + (old.length > 0 ? 1 : 0); i += 1)
        if (
          this.podsOf(app.name).filter((pod) => pod.removeAt === null && pod.revision === app.revision)
            .length < app.replicas
        )
          this.#startPod({ app: app.name, kind, revision: app.revision });
      const ready = alive.filter((pod) => pod.readyAt !== null).length;
      const mayMiss = Math.floor(app.replicas / 4);
      let spare = ready - (app.replicas - mayMiss);
      for (const pod of old) {
        if (pod.readyAt === null) this.deletePod(pod);
        else if (spare > 0) {
          this.deletePod(pod);
          spare -= 1;
        }
      }
    }
    for (const pod of fresh.slice(app.replicas)) this.deletePod(pod);
  }

  #controlStateful(app: App, alive: Pod[]): void {
    const all = this.podsOf(app.name);
    for (const pod of alive) if (Number(pod.name.split('-').at(-1)) >= app.replicas) this.deletePod(pod);
    for (let ordinal = 0; ordinal < app.replicas; ordinal += 1) {
      const name = `${app.name}-${ordinal}`;
      const pod = all.find((one) => one.name === name);
      if (pod === undefined) {
        this.#startPod({ app: app.name, kind: 'StatefulSet', revision: app.revision, name });
        return;
      }
      if (pod.readyAt === null) return;
    }
    const outdated = alive.findLast((pod) => pod.revision !== app.revision);
    if (outdated !== undefined) this.deletePod(outdated);
  }

  #controlDaemons(app: App): void {
    const all = this.podsOf(app.name);
    for (const node of this.nodes.values()) {
      const here = all.find((pod) => pod.node === node.name);
      if (here === undefined && node.silentSince === null)
        this.#startPod({ app: app.name, kind: 'DaemonSet', revision: app.revision, node: node.name });
    }
    for (const pod of all) if (pod.node !== null && !this.nodes.has(pod.node)) this.#pods.delete(pod.name);
    const isWhole = all.every((pod) => pod.readyAt !== null && pod.removeAt === null);
    const outdated = all.find((pod) => pod.revision !== app.revision);
    if (isWhole && outdated !== undefined) this.deletePod(outdated);
  }

  #controlJob(job: Job): void {
    const [pod] = this.podsOf(job.name);
    if (pod === undefined && job.doneAt === null) this.#startPod({ app: job.name, kind: 'Job', revision: 1 });
    if (
      pod !== undefined &&
      pod.readyAt !== null &&
      job.doneAt === null &&
      this.now - pod.readyAt >= job.durationMs
    ) {
      job.doneAt = this.now;
      pod.done = true;
      pod.readyAt = null;
    }
    if (job.doneAt !== null && this.now - job.doneAt > 120_000) {
      this.jobs.delete(job.name);
      if (pod !== undefined) this.#pods.delete(pod.name);
    }
  }

  /** Writes what an API server would show; what did not change stays the same object. */
  #show(): void {
    const wanted = [
      ...[...this.nodes.values()].map((node) => this.#nodeObject(node)),
      ...[...this.#pods.values()].map((pod) => this.#podObject(pod)),
      ...[...this.apps.values()].flatMap((app) => this.#appObjects(app)),
      ...[...this.jobs.values()].map((job) => this.#jobObject(job)),
    ];
    const ids = new Set<string>();
    for (const object of wanted) {
      const id = `${object.kind}/${object.metadata.namespace}/${object.metadata.name}`;
      ids.add(id);
      const text = JSON.stringify({ ...object, metadata: { ...object.metadata, resourceVersion: '' } });
      if (this.#shown.get(id)?.text === text) continue;
      this.#shown.set(id, { object, text });
      this.view.put(object);
    }
    for (const [id, { object }] of this.#shown) {
      if (ids.has(id)) continue;
      this.#shown.delete(id);
      this.view.remove(object);
    }
  }

  #iso(ms: number): string {
    return new Date(ms).toISOString();
  }

  #nodeObject(node: Node): KubeObject {
    const lost = this.isLost(node);
    const status = lost ? 'Unknown' : node.readyAt <= this.now ? 'True' : 'False';
    const since = lost
      ? (node.silentSince ?? 0) + 40_000
      : node.readyAt <= this.now
        ? node.readyAt
        : node.createdAt;
    return make('Node', node.name, {
      namespace: null,
      metadata: { uid: node.name, creationTimestamp: this.#iso(node.createdAt) },
      spec: node.cordoned ? { unschedulable: true } : {},
      status: {
        allocatable: { cpu: '16', memory: '64Gi', pods: '110' },
        conditions: [
          {
            type: 'Ready',
            status,
            reason: lost ? 'NodeStatusUnknown' : 'Kubelet',
            message: '',
            lastTransitionTime: this.#iso(since),
          },
        ],
      },
    });
  }

  #podObject(pod: Pod): KubeObject {
    const app = this.apps.get(pod.app);
    const fails =
      app !== undefined && app.failing !== null && pod.revision >= app.failing.from ? app.failing.how : null;
    const scheduled = pod.node !== null;
    const isReady = pod.readyAt !== null;
    const started = scheduled && (isReady || this.now - pod.createdAt > 3_000);
    const state =
      fails === 'image'
        ? { waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling image' } }
        : fails === 'crash' && pod.crashedAt !== null
          ? { waiting: { reason: 'CrashLoopBackOff', message: 'back-off' } }
          : pod.done
            ? { terminated: { exitCode: 0, reason: 'Completed', finishedAt: this.#iso(this.now) } }
            : started
              ? { running: {} }
              : { waiting: { reason: 'ContainerCreating' } };
    const last =
      pod.crashedAt === null
        ? {}
        : { terminated: { exitCode: 1, reason: 'Error', finishedAt: this.#iso(pod.crashedAt) } };
    const ownerName = pod.kind === 'ReplicaSet' ? `${pod.app}-r${pod.revision}` : pod.app;
    return make('Pod', pod.name, {
      namespace: app?.namespace ?? 'shop',
      metadata: {
        uid: pod.uid,
        creationTimestamp: this.#iso(pod.createdAt),
        labels: { app: pod.app, 'pod-template-hash': `r${pod.revision}`, ...app?.labels },
        ...owner(pod.kind, ownerName),
        ...(pod.removeAt === null ? {} : { deletionTimestamp: this.#iso(pod.removeAt + 20_000) }),
      },
      spec: { ...(scheduled ? { nodeName: pod.node } : {}), containers: [{ name: 'main' }] },
      status: {
        phase: pod.done ? 'Succeeded' : started && fails !== 'image' ? 'Running' : 'Pending',
        startTime: this.#iso(pod.createdAt),
        conditions: [
          scheduled
            ? { type: 'PodScheduled', status: 'True', lastTransitionTime: this.#iso(pod.createdAt) }
            : {
                type: 'PodScheduled',
                status: 'False',
                reason: 'Unschedulable',
                message: 'no node',
                lastTransitionTime: this.#iso(pod.createdAt),
              },
          { type: 'Initialized', status: 'True', lastTransitionTime: this.#iso(pod.createdAt) },
          {
            type: 'Ready',
            status: isReady ? 'True' : 'False',
            ...(isReady ? {} : { reason: pod.done ? 'PodCompleted' : 'ContainersNotReady', message: '' }),
            lastTransitionTime: this.#iso(pod.readyAt ?? pod.unreadySince ?? pod.createdAt),
          },
          ...(pod.disrupted
            ? [{ type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI' }]
            : []),
        ],
        containerStatuses: scheduled
          ? [{ name: 'main', ready: isReady, restartCount: pod.restarts, state, lastState: last }]
          : [],
      },
    });
  }

  #appObjects(app: App): KubeObject[] {
    const pods = this.podsOf(app.name);
    const alive = pods.filter((pod) => pod.removeAt === null);
    const ready = alive.filter((pod) => pod.readyAt !== null).length;
    const updated = alive.filter((pod) => pod.revision === app.revision).length;
    const metadata = {
      uid: app.name,
      generation: app.revision,
      creationTimestamp: this.#iso(app.createdAt),
      labels: { app: app.name, ...app.labels },
    };
    const template = { metadata: { labels: { app: app.name } } };
    const { namespace } = app;
    const service = make('Service', app.name, {
      namespace,
      metadata: { uid: `svc-${app.name}`, creationTimestamp: this.#iso(app.createdAt) },
      spec: { selector: { app: app.name }, ports: [{ port: 80 }] },
    });
    const slice = make('EndpointSlice', `${app.name}-x`, {
      namespace,
      metadata: {
        uid: `slice-${app.name}`,
        creationTimestamp: this.#iso(app.createdAt),
        labels: { 'kubernetes.io/service-name': app.name },
      },
      endpoints: pods.map((pod) => ({
        conditions: { ready: pod.readyAt !== null },
        targetRef: { uid: pod.uid },
      })),
    });
    if (app.kind === 'DaemonSet') {
      return [
        make('DaemonSet', app.name, {
          namespace,
          metadata,
          spec: { template },
          status: {
            observedGeneration: app.revision,
            desiredNumberScheduled: this.nodes.size,
            currentNumberScheduled: pods.length,
            numberAvailable: ready,
            numberReady: ready,
            numberUnavailable: Math.max(0, this.nodes.size - ready),
            updatedNumberScheduled: updated,
            numberMisscheduled: 0,
          },
        }),
      ];
    }
    if (app.kind === 'StatefulSet') {
      // The controller takes over the new revision only once all of its pods are ready.
      if (updated === app.replicas && ready === app.replicas) app.settledRevision = app.revision;
      const isRolling = app.settledRevision !== app.revision;
      return [
        make('StatefulSet', app.name, {
          namespace,
          metadata,
          spec: { replicas: app.replicas, serviceName: app.name, template },
          status: {
            observedGeneration: app.revision,
            replicas: pods.length,
            readyReplicas: ready,
            updatedReplicas: updated,
            currentRevision: isRolling ? `r${app.settledRevision}` : `r${app.revision}`,
            updateRevision: `r${app.revision}`,
          },
        }),
        service,
        slice,
      ];
    }
    const isAvailable = ready >= app.replicas - Math.floor(app.replicas / 4);
    if (isAvailable !== app.isAvailable) {
      app.isAvailable = isAvailable;
      app.availableSince = this.now;
    }
    const isRolling = updated < app.replicas || alive.length > updated;
    return [
      make('Deployment', app.name, {
        namespace,
        metadata,
        spec: {
          replicas: app.replicas,
          strategy: { type: app.recreate ? 'Recreate' : 'RollingUpdate' },
          template,
        },
        status: {
          observedGeneration: app.revision,
          replicas: alive.length,
          updatedReplicas: updated,
          readyReplicas: ready,
          availableReplicas: ready,
          conditions: [
            {
              type: 'Available',
              status: isAvailable ? 'True' : 'False',
              reason: 'x',
              message: '',
              lastTransitionTime: this.#iso(app.availableSince),
            },
            {
              type: 'Progressing',
              status: 'True',
              reason: isRolling ? 'ReplicaSetUpdated' : 'NewReplicaSetAvailable',
              lastTransitionTime: this.#iso(app.createdAt),
            },
          ],
        },
      }),
      make('ReplicaSet', `${app.name}-r${app.revision}`, {
        namespace,
        metadata: {
          uid: `rs-${app.name}-${app.revision}`,
          creationTimestamp: this.#iso(app.createdAt),
          ...owner('Deployment', app.name),
        },
      }),
      service,
      slice,
    ];
  }

  #jobObject(job: Job): KubeObject {
    return make('Job', job.name, {
      metadata: { uid: job.name, creationTimestamp: this.#iso(job.createdAt) },
      status:
        job.doneAt === null
          ? { active: 1, startTime: this.#iso(job.createdAt) }
          : { succeeded: 1, conditions: [{ type: 'Complete', status: 'True' }] },
    });
  }
}
