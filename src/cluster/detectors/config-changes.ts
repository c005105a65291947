import type { KubeObject } from '../cluster-view.ts';
import { type Condition, condition, refOf, subjectOf } from '../condition.ts';
import { isTerminating, time } from '../fields.ts';
import { isIgnored, type Scene } from '../scene.ts';
import { nameOf } from './pod-findings.ts';

/**
 * ConfigMaps that changed (specification §2.8). Only metadata is watched: a new
 * resourceVersion says that something changed, not what. What was before our
 * start is taken as it is; what controllers rewrite all the time is left out.
 */
const platform = new Set(['kube-system', 'ingress-nginx']);
const noise =
  /^(?:kube-root-ca\.crt|extension-apiserver-authentication|cluster-autoscaler-status|.*-leader(?:-election)?(?:-.*)?|ingress-controller-leader.*|.*\.lock)$/;

export function detectConfigChanges(scene: Scene): Condition[] {
  const { showSeconds = 900 } = scene.rules['config.changed'].thresholds;
  return scene.view.list('configmaps').flatMap((map) => {
    if (isTerminating(map) || isIgnored(map) || isNoise(map)) return [];
    const subject = subjectOf('ConfigMap', map);
    const changedAt = noteVersion(scene, `config/${refOf(subject)}/${map.metadata.uid}`, map, showSeconds);
    if (changedAt === null) return [];
    return condition(scene.rules, {
      rule: platform.has(map.metadata.namespace ?? '') ? 'config.changed.platform' : 'config.changed',
      reason: 'ConfigChanged',
      subject,
      since: changedAt,
      title: `${nameOf(subject)} was changed`,
      description: '',
    });
  });
}

function isNoise(object: KubeObject): boolean {
  const { annotations, name } = object.metadata;
  return noise.test(name) || annotations?.['control-plane.alpha.kubernetes.io/leader'] !== undefined;
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
