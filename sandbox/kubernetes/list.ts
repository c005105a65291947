import { type ApiType, groupVersion } from './api-types.ts';
import { shaped, type Shape } from './negotiate.ts';
import type { ObjectStore, SandboxObject } from './object-store.ts';
import type { Selector } from './selectors.ts';
import { badRequest, type Status, status } from './status.ts';

type Token = { v: 'meta.k8s.io/v1'; rv: number; snapshot: string; from: number };

/** A list, or the next page of one: all pages show the state at the time of the first. */
export function list(
  store: ObjectStore,
  type: ApiType,
  namespace: string | null,
  query: URLSearchParams,
  selects: Selector,
  shape: Shape,
): Record<string, unknown> | Status {
  const limit = number(query.get('limit'), 'limit');
  if (typeof limit === 'object') return limit;
  const version = query.get('resourceVersion') ?? '';
  if (query.get('resourceVersionMatch') !== null && version === '')
    return status(
      422,
      'Invalid',
      'resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided',
    );
  const given = query.get('continue') ?? '';
  if (given !== '' && version !== '' && version !== '0')
    return badRequest('specifying resource version is not allowed when using continue');

  let token: Token | null = null;
  if (given !== '') {
    token = readToken(given);
    if (token === null) return badRequest('continue key is not valid: illegal base64 data');
  }
  const objects = token === null ? store.all(type, namespace).filter(selects) : store.kept(token.snapshot);
  if (objects === undefined) {
    return status(
      410,
      'Expired',
      'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results.',
    );
  }
  const from = token?.from ?? 0;
  const until = limit === 0 ? objects.length : Math.min(objects.length, from + limit);
  const revision = token?.rv ?? store.revision;
  const rest = objects.length - until;
  const hasSelector = query.has('fieldSelector') || query.has('labelSelector');
  return {
    kind: shape === 'metadata' ? 'PartialObjectMetadataList' : `${type.kind}List`,
    apiVersion: shape === 'metadata' ? 'meta.k8s.io/v1' : groupVersion(type),
    metadata: {
      ...(!type.isComputed && { resourceVersion: String(revision) }),
      ...(rest > 0 && {
        continue: writeToken({
          v: 'meta.k8s.io/v1',
          rv: revision,
          snapshot: token?.snapshot ?? store.keep(objects),
          from: until,
        }),
        ...(!hasSelector && { remainingItemCount: rest }),
      }),
    },
    items: objects.slice(from, until).map((object) => asItem(shaped(object, shape), type)),
  };
}

/** The items of a typed list come without their kind, which the list has said; those of computed kinds too. */
function asItem(object: SandboxObject, type: ApiType): unknown {
  if (object.kind !== type.kind) return object;
  const { kind: _kind, apiVersion: _apiVersion, ...item } = object;
  return item;
}

export function number(text: string | null, name: string): number | Status {
  if (text === null || text === '') return 0;
  if (/^-?\d+$/.test(text) && Number(text) >= 0) return Number(text);
  return badRequest(`strconv.ParseInt: parsing "${text}": invalid syntax (${name})`);
}

function writeToken(token: Token): string {
  return Buffer.from(JSON.stringify(token)).toString('base64url');
}

function readToken(text: string): Token | null {
  try {
    const token = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as Token;
    return token.v === 'meta.k8s.io/v1' && typeof token.snapshot === 'string' ? token : null;
  } catch {
    return null;
  }
}
