import type { SandboxObject } from './object-store.ts';
import { notAcceptable, type Status } from './status.ts';

/** How an answer is to look: whole objects, or their metadata only. */
export type Shape = 'whole' | 'metadata';

/**
 * Content negotiation as the API server does it: JSON only here, whole or as
 * PartialObjectMetadata, which for a list has another name than for one object or a
 * watch. The first entry that can be served counts.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#alternate-representations-of-resources
 */
export function negotiate(accept: string | undefined, what: 'list' | 'object' | 'watch'): Shape | Status {
  const entries = (accept ?? '*/*').split(',').map((entry) => entry.trim());
  for (const entry of entries) {
    const [media = '', ...parameters] = entry.split(';').map((part) => part.trim());
    if (!['application/json', '*/*', 'application/*'].includes(media)) continue;
    const given = Object.fromEntries(parameters.map((part) => part.split('=') as [string, string]));
    if (given['as'] === undefined) return 'whole';
    if (given['g'] !== 'meta.k8s.io' || given['v'] !== 'v1') continue;
    const wanted = what === 'list' ? 'PartialObjectMetadataList' : 'PartialObjectMetadata';
    if (given['as'] === wanted) return 'metadata';
    return notAcceptable(
      what === 'list'
        ? `you requested ${given['as']}, but the requested object is a list`
        : `you requested ${given['as']}, but the requested object is not a list`,
    );
  }
  return notAcceptable(
    'only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf',
  );
}

export function shaped(object: SandboxObject, shape: Shape): SandboxObject {
  return shape === 'whole'
    ? object
    : { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata };
}
