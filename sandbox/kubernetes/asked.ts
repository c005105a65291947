import type { AccessQuestion } from './access.ts';
import { type ApiType, apiTypes, resourceName } from './api-types.ts';
import type { RequestVerb } from './faults.ts';
import type { AskedHttp } from './http.ts';
import { fieldSelector, labelSelector, type Selector } from './selectors.ts';
import { badRequest, type Status, status } from './status.ts';

/** What a request is about. */
export type Asked =
  | { is: 'collection' | 'object' | 'log'; type: ApiType; namespace: string | null; name: string }
  | { is: 'review' }
  | { is: 'system'; path: string }
  | { is: 'nothing' };

export function readPath(path: string, withdrawn: ReadonlySet<string>): Asked {
  if (['/readyz', '/livez', '/healthz', '/version'].includes(path)) return { is: 'system', path };
  if (path === '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews') return { is: 'review' };
  const [, group = '', version = '', namespace = null, plural = '', name = '', rest = ''] =
    /^\/(?:api|apis\/([^/]+))\/([^/]+)(?:\/namespaces\/([^/]+)(?=\/))?\/([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(
      path,
    ) ?? [];
  const type = apiTypes.find(
    (known) => known.group === group && known.version === version && known.plural === plural,
  );
  if (type === undefined || withdrawn.has(resourceName(type))) return { is: 'nothing' };
  if (!type.isNamespaced && namespace !== null) return { is: 'nothing' };
  if (rest === 'log' && type.plural === 'pods' && namespace !== null)
    return { is: 'log', type, namespace, name };
  if (rest !== '' || (name !== '' && type.isNamespaced && namespace === null)) return { is: 'nothing' };
  return { is: name === '' ? 'collection' : 'object', type, namespace, name: decodeURIComponent(name) };
}

export function questionOf(asked: Asked, http: AskedHttp): AccessQuestion & { verb: RequestVerb } {
  switch (asked.is) {
    case 'nothing':
      return { verb: 'other', resource: http.path, namespace: null };
    case 'review':
      return { verb: 'create', resource: 'selfsubjectaccessreviews.authorization.k8s.io', namespace: null };
    case 'system':
      return { verb: 'get', resource: asked.path, namespace: null };
    case 'log':
      return { verb: 'log', resource: 'pods', namespace: asked.namespace };
    case 'object':
      return { verb: 'get', resource: resourceName(asked.type), namespace: asked.namespace };
    case 'collection': {
      const isWatch = ['1', 'true'].includes(http.query.get('watch') ?? '');
      return {
        verb: isWatch ? 'watch' : 'list',
        resource: resourceName(asked.type),
        namespace: asked.namespace,
      };
    }
  }
}

export function selectorOf(type: ApiType, query: URLSearchParams): Selector | Status {
  const fields = fieldSelector(type, query.get('fieldSelector') ?? '');
  const labels = labelSelector(query.get('labelSelector') ?? '');
  if (typeof fields === 'object') return fields;
  if (typeof labels === 'object') return labels;
  return (object) => fields(object) && labels(object);
}

/** Where a watch begins; null: with what is there. */
export function watchFrom(query: URLSearchParams): number | null | Status {
  const version = query.get('resourceVersion') ?? '';
  if (query.get('resourceVersionMatch') !== null)
    return status(
      422,
      'Invalid',
      'resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
    );
  if (version === '' || version === '0') return null;
  return /^\d+$/.test(version)
    ? Number(version)
    : badRequest(`Invalid value: "${version}": strconv.ParseUint: parsing "${version}": invalid syntax`);
}
