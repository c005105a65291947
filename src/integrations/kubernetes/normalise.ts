import type { KubeObject } from '../../cluster/cluster-view.ts';
import type { ResourceType } from './resources.ts';

/** Holds a copy of the object as it was applied, for a Secret with its values. */
const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration';

/** Annotations are the user's and can be large; none of ours is. */
const longestAnnotation = 4_096;

/** The shape of what comes, before it is checked. */
type RawObject = { metadata?: Record<string, unknown> } & Record<string, unknown>;

/**
 * The object as it is kept: with `kind` and `apiVersion` (the items of a list come
 * without), and without `managedFields` and the last applied configuration, which
 * make up most of its size. Of what was in `managedFields` the last change stays, as
 * `lastManaged`. Null where it is no object.
 */
export function normalise(raw: unknown, type: ResourceType): KubeObject | null {
  if (typeof raw !== 'object' || raw === null) return null;
  const { metadata: given, ...rest } = raw as RawObject;
  if (typeof given !== 'object' || given === null || typeof given['name'] !== 'string') return null;
  const { managedFields, ...metadata } = given;
  const namespace = typeof metadata['namespace'] === 'string' ? metadata['namespace'] : '';
  const name = given['name'];
  const kept = {
    ...metadata,
    name,
    uid: typeof metadata['uid'] === 'string' ? metadata['uid'] : `${type.resource}/${namespace}/${name}`,
    ...('annotations' in metadata && { annotations: keptAnnotations(metadata['annotations']) }),
  };
  const managed = lastManaged(managedFields);
  return {
    // Whatever a server sends that does not know the short form: values are not kept.
    ...(type.metadataOnly !== true && rest),
    apiVersion: type.group === '' ? type.version : `${type.group}/${type.version}`,
    kind: type.kind,
    metadata: kept,
    ...(managed !== null && { lastManaged: managed }),
  };
}

function keptAnnotations(annotations: unknown): Record<string, string> {
  const kept: Record<string, string> = {};
  if (typeof annotations !== 'object' || annotations === null) return kept;
  for (const [name, value] of Object.entries(annotations)) {
    if (name !== lastApplied && typeof value === 'string') kept[name] = value.slice(0, longestAnnotation);
  }
  return kept;
}

/** Who changed an object last, and when: what is needed of `managedFields`. */
export type LastManaged = { manager: string; at: string };

function lastManaged(fields: unknown): LastManaged | null {
  if (!Array.isArray(fields)) return null;
  let last: LastManaged | null = null;
  for (const field of fields as unknown[]) {
    if (typeof field !== 'object' || field === null) continue;
    const { manager, time } = field as Record<string, unknown>;
    if (typeof time !== 'string' || (last !== null && time < last.at)) continue;
    last = { manager: typeof manager === 'string' ? manager : '', at: time };
  }
  return last;
}

/** When an event was seen last: its fields differ with who reports it (client-go's own order). */
export function eventTimeMs(event: KubeObject): number {
  const series = event['series'] as { lastObservedTime?: unknown } | null | undefined;
  const candidates = [
    series?.lastObservedTime,
    event['lastTimestamp'],
    event['eventTime'],
    event['firstTimestamp'],
    event.metadata.creationTimestamp,
  ];
  for (const candidate of candidates) {
    const at = typeof candidate === 'string' ? Date.parse(candidate) : Number.NaN;
    if (!Number.isNaN(at)) return at;
  }
  return 0;
}
