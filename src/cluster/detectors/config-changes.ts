import type { KubeObject } from '../cluster-view.ts';
import { type Condition, condition, refOf, type Subject, subjectOf } from '../condition.ts';
import { type ConfigChange, type ConfigRecord, isConfiguration } from '../config-maps.ts';
import { time } from '../fields.ts';
import type { Scene } from '../scene.ts';
import { nameOf } from './pod-findings.ts';

/**
 * ConfigMaps that changed (specification §2.8): by the hashes of their keys, or,
 * where they may not be read, by their version, which also changes with what is
 * only metadata. What was before our first sight is taken as it is.
 */
const platform = new Set(['kube-system', 'ingress-nginx']);
const mostNamed = 20;

export function detectConfigChanges(scene: Scene): Condition[] {
  const { showSeconds = 900 } = scene.rules['config.changed'].thresholds;
  return scene.view.list('configmaps').flatMap((map) => {
    if (!isConfiguration(map)) return [];
    const { namespace = '', name } = map.metadata;
    const known = scene.probes.configMaps?.of(namespace, name) ?? 'unreadable';
    if (known === 'unread' || known === 'ignored') return [];
    const subject = subjectOf('ConfigMap', map);
    return known === 'unreadable'
      ? byVersion(scene, map, subject, showSeconds)
      : byHash(scene, known, subject, showSeconds);
  });
}

function byHash(scene: Scene, known: ConfigRecord, subject: Subject, showSeconds: number): Condition[] {
  const { change, hashes } = known;
  if (change === null || scene.now.getTime() - change.at.getTime() > showSeconds * 1_000) return [];
  return told(scene, subject, change.firstAt, {
    description: described(change, hashes.whole),
    version: `${hashes.whole.slice(0, 12)} ${change.times}`,
  });
}

function described(change: ConfigChange, whole: string): string {
  const { changed, added, removed, isRestChanged, times, writer } = change;
  return [
    ...named('Changed', changed),
    ...named('Added', added),
    ...named('Removed', removed),
    ...(isRestChanged ? ['Further keys are others, too.'] : []),
    ...(times > 1 ? [`It changed ${times} times, last at ${change.at.toISOString()}.`] : []),
    ...(writer === null ? [] : [`Last written by ${writer.manager} at ${writer.at.toISOString()}.`]),
    `Hash of all of it now: ${whole.slice(0, 12)}`,
  ].join('\n');
}

function named(what: string, keys: readonly string[]): string[] {
  if (keys.length === 0) return [];
  const more = keys.length > mostNamed ? ` and ${keys.length - mostNamed} more` : '';
  return [`${what}: ${keys.slice(0, mostNamed).join(', ')}${more}`];
}

function byVersion(scene: Scene, map: KubeObject, subject: Subject, showSeconds: number): Condition[] {
  const changedAt = noteVersion(scene, `config/${refOf(subject)}/${map.metadata.uid}`, map, showSeconds);
  if (changedAt === null) return [];
  return told(scene, subject, changedAt, {
    description: 'What changed is not known: its values may not be read.',
  });
}

function told(
  scene: Scene,
  subject: Subject,
  since: Date,
  more: Pick<Condition, 'description'> & Partial<Condition>,
): Condition[] {
  return condition(scene.rules, {
    rule: platform.has(subject.namespace ?? '') ? 'config.changed.platform' : 'config.changed',
    reason: 'ConfigChanged',
    subject,
    since,
    title: `${nameOf(subject)} was changed`,
    ...more,
  });
}

/** Versions are opaque: each new one becomes a point, the first is our first sight. Null: unchanged for long. */
export function noteVersion(scene: Scene, key: string, object: KubeObject, showSeconds: number): Date | null {
  const version = hash(object.metadata.resourceVersion ?? '');
  scene.history.recordChange(key, scene.now, version, showSeconds * 1_000);
  const points = scene.history.points(key);
  const last = points.at(-1);
  if (last === undefined || points.length < 2) return null;
  return scene.now.getTime() - last.at <= showSeconds * 1_000 ? new Date(last.at) : null;
}

/** FNV-1a, 32 bits: only to tell versions apart. */
function hash(value: string): number {
  let state = 0x811c9dc5;
  for (let i = 0; i < value.length; i += 1) state = Math.imul(state ^ value.charCodeAt(i), 0x01000193) >>> 0;
  return state;
}

/** When an object was last written: the newest of its managers' times where they are kept, else when it was made. */
export function writtenAt(object: KubeObject): Date | null {
  return (
    time(object.metadata.annotations?.['gomon.io/rotated-at']) ?? time(object.metadata.creationTimestamp)
  );
}
