import { type DescribedSignal, describeSignal } from './alerts/describe.ts';
import type { Intake } from './alerts/intake.ts';
import type { SourceRules } from './alerts/source-rules.ts';
import type { AlertSignal } from './alerts/source.ts';
import type { ClusterView } from './cluster/cluster-view.ts';
import { type ConfigMapReader, ConfigMapWatch } from './cluster/config-map-watch.ts';
import { activeRules } from './cluster/rules.ts';
import { noProbes } from './cluster/scene.ts';
import { ClusterWatcher, type WatcherEvent } from './cluster/watcher.ts';
import { clusterChoiceOf } from './config/cluster-choice.ts';
import type { Config } from './config/load.ts';
import { databaseTrouble } from './db/errors.ts';
import { Leadership } from './db/leadership.ts';
import { locks } from './db/locks.ts';
import type { Db } from './db/pool.ts';
import { readyzType, versionType } from './integrations/kubernetes/api-health.ts';
import { KubernetesConnection } from './integrations/kubernetes/connection.ts';
import { chooseCluster } from './integrations/kubernetes/credentials.ts';
import { IngressCertificates } from './integrations/kubernetes/ingress-certificates.ts';
import { createKubernetesWatch, type WatchEvent } from './integrations/kubernetes/kubernetes-watch.ts';
import { readLastLogLines } from './integrations/kubernetes/last-log-lines.ts';
import { readConfigMapHashes } from './integrations/kubernetes/secret-free-reads.ts';
import { readWatchHealth, type WatchReport } from './integrations/kubernetes/watch-report.ts';
import type { Clock } from './lib/clock.ts';
import type { Health } from './observability/health.ts';
import type { Log } from './observability/log.ts';
import type { Metrics } from './observability/metrics.ts';
import { countLook, measureCluster } from './cluster/measure.ts';

/** Part of the composition root: what `app.ts` would hold of the cluster. */

export type ClusterWatchOptions = {
  config: Pick<Config, 'settings' | 'secrets'>;
  db: Db;
  databaseUrl: string;
  intake: Intake;
  /** Of the source `kubernetes`. */
  rules: SourceRules;
  clock: Clock;
  health: Health;
  log: Log;
  metrics: Metrics;
};

export type ClusterWatch = {
  /** For the API, and what its answers name the cluster. */
  reader: { name: string; view: ClusterView };
  /** What people find under `kubernetes` in `/readyz`. */
  report(): WatchReport;
  /** Sets what is read at each scrape. */
  measure(): void;
  /** Looks now, where this process is the one that watches. */
  look(): Promise<void>;
  /** Waits for nothing; the database has to be there. */
  start(): void;
  stop(): Promise<void>;
};

const aboutServer = new Set([readyzType.resource, versionType.resource]);

/** What goes wrong at every look is said so often. */
const repeatTroubleMs = 60_000;

/**
 * What watches the cluster; null where there is none to watch. A cluster that is
 * away stops nothing: `report` tells it.
 * @throws where the settings name a cluster that cannot be one
 */
export function createClusterWatch(options: ClusterWatchOptions): ClusterWatch | null {
  const { config, db, databaseUrl, clock, health, log, metrics } = options;
  const settings = config.settings.kubernetes;
  const chosen = chooseCluster(clusterChoiceOf(config));
  health.register('kubernetes', chosen.is === 'chosen');
  if (chosen.is === 'off') {
    log.info({ integration: 'kubernetes', reason: chosen.reason }, 'no cluster is watched');
    return null;
  }
  if (chosen.is === 'wrong') throw new Error(`The Kubernetes cluster cannot be watched: ${chosen.reason}`);

  const rules = activeRules(settings.rules);
  let startedAt = clock.now();
  const connection = new KubernetesConnection(chosen.source, clock);
  const watch = createKubernetesWatch({
    connection,
    namespaces: settings.namespaces,
    clock,
    observe: (event) => {
      if (event.kind === 'trouble') metrics.clusterWatchFailures.inc({ resource: event.resource });
      sayWatchEvent(log, event);
    },
  });
  const certificates = new IngressCertificates({ connection, view: watch.view });
  const sayTrouble = watcherTroubles(log, clock);
  const configMaps = new ConfigMapWatch({
    db,
    view: watch.view,
    cluster: settings.cluster,
    rules,
    clock,
    read: (of, signal) => readConfigMap(connection, of, signal),
    ignore: settings.configMaps.ignore,
    ignoreManagers: settings.configMaps.ignoreManagers,
    onTrouble: (what, error) => sayTrouble({ kind: 'trouble', what, error }),
  });
  const watcher = new ClusterWatcher({
    db,
    view: watch.view,
    cluster: settings.cluster,
    rules,
    clock,
    onChange: (listener) => {
      const stops = [watch.onChange(listener), configMaps.onChange(listener)];
      return () => stops.forEach((stop) => stop());
    },
    submit: (signals) => submit(options, signals),
    probes: () => ({
      ...noProbes,
      ...watch.probes(),
      certificates: certificates.facts(),
      configMaps: configMaps.knowledge,
    }),
    readLogs: (pod, signal) => lastWords(connection, pod, signal),
    observe: (event) => {
      countLook(metrics, event);
      sayTrouble(event);
    },
  });
  const leadership = new Leadership({
    url: databaseUrl,
    lock: locks.clusterWatcher,
    lead: async (signal) => {
      log.info({ cluster: settings.cluster }, 'this process watches the cluster now');
      await Promise.all([watcher.lead(signal), configMaps.lead(signal)]);
    },
    onError: (error) => warn(log, error, 'the cluster could not be watched and is tried again'),
  });
  return {
    reader: { name: settings.cluster, view: watch.view },
    report: () => readWatchHealth(watch.health(), startedAt, clock.now()),
    measure: () => {
      const state = {
        leads: leadership.leading,
        memory: watcher.memory,
        view: watch.view,
        // What the server says of itself is no kind of object.
        collections: watch.health().collections.filter(({ resource }) => !aboutServer.has(resource)),
      };
      measureCluster(metrics, settings.cluster, state, clock.now());
    },
    look: async () => {
      await configMaps.lookNow();
      await watcher.lookNow();
    },
    start: () => {
      startedAt = clock.now();
      watch.start();
      certificates.start();
      leadership.start();
      log.info(
        { cluster: settings.cluster, by: chosen.source.name, namespaces: settings.namespaces },
        'a cluster is watched',
      );
    },
    stop: async () => {
      await leadership.stop();
      await certificates.stop();
      await watch.stop();
      await connection.close();
    },
  };
}

/** False when they could not be taken now: the watcher decides the same again. */
async function submit(options: ClusterWatchOptions, signals: AlertSignal[]): Promise<boolean> {
  const { intake, rules, clock } = options;
  const described: DescribedSignal[] = signals.map((signal) => describeSignal(signal, rules, 'kubernetes'));
  const result = await intake.submit({
    source: 'kubernetes',
    sender: 'watcher',
    door: 'system',
    receivedAt: clock.now(),
    entries: described.map((signal) => ({ ok: true, signal })),
    raw: { contentType: 'application/json', headers: {}, body: Buffer.from(JSON.stringify(signals)) },
  });
  return result.ok;
}

/** Of the run that crashed; of the present one where there was none before. */
async function lastWords(
  connection: KubernetesConnection,
  pod: { namespace: string; name: string; container: string },
  signal: AbortSignal,
): Promise<string | null> {
  const { namespace, name, container } = pod;
  for (const previous of [true, false]) {
    const found = await readLastLogLines(connection, { namespace, pod: name, container, previous }, signal);
    if (found.ok && found.lines.length > 0) return found.lines.join('\n');
    if (!found.ok && found.reason !== 'none') return null;
  }
  return null;
}

/** What may be kept of a ConfigMap, or why nothing is known of it. */
async function readConfigMap(
  connection: KubernetesConnection,
  of: { namespace: string; name: string },
  signal: AbortSignal,
): ReturnType<ConfigMapReader> {
  const read = await readConfigMapHashes(connection, of, signal);
  if (read.ok) return read;
  if (read.kind === 'absent') return { ok: false, reason: 'gone' };
  return { ok: false, reason: read.kind === 'forbidden' ? 'forbidden' : 'trouble' };
}

function sayWatchEvent(log: Log, event: WatchEvent): void {
  switch (event.kind) {
    case 'fresh':
      log.info({ resource: event.resource }, 'a kind of object of the cluster is read');
      return;
    case 'off':
      log.warn(
        { resource: event.resource, namespace: event.namespace, state: event.state, detail: event.detail },
        'a kind of object of the cluster is not read, and what needs it is off',
      );
      return;
    case 'permissions': {
      const { missing } = event.report;
      const fields = { missing: missing.map(({ verbs, resource }) => `${verbs.join(',')} ${resource}`) };
      if (missing.some(({ isNeeded }) => isNeeded))
        log.warn(fields, 'permissions in the cluster are missing: see gomon cluster doctor');
      else log.info(fields, 'permissions in the cluster were reviewed');
      return;
    }
    case 'trouble':
    case 'relist': {
      const { kind, ...fields } = event;
      log.debug(fields, kind === 'trouble' ? 'reading the cluster stumbled' : 'the cluster is listed anew');
    }
  }
}

/** What failed is said once a minute, however often it is tried. */
function watcherTroubles(log: Log, clock: Clock): (event: WatcherEvent) => void {
  const said = new Map<string, number>();
  return (event) => {
    if (event.kind !== 'trouble') return;
    const nowMs = clock.now().getTime();
    if (nowMs - (said.get(event.what) ?? Number.NEGATIVE_INFINITY) < repeatTroubleMs) return;
    said.set(event.what, nowMs);
    warn(log, event.error, event.what);
  };
}

/** That the database is away is told by whoever watches it. */
function warn(log: Log, error: unknown, message: string): void {
  log[databaseTrouble(error) === 'unavailable' ? 'debug' : 'warn']({ err: error }, message);
}
