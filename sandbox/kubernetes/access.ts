import { type Status, status } from './status.ts';

/** What may not be done; a field that is absent stands for anything. */
export type Denial = { verb?: string; resource?: string; namespace?: string };

export type AccessQuestion = { verb: string; resource: string; namespace: string | null };

/** Who may do what: everything, but for what was forbidden. */
export class Access {
  readonly user = 'system:serviceaccount:gomon:gomon';
  #denials: Denial[] = [];

  forbid(denial: Denial): void {
    this.#denials.push(denial);
  }

  /** Takes back every denial that says the same, or all of them. */
  allow(denial?: Denial): void {
    this.#denials =
      denial === undefined
        ? []
        : this.#denials.filter(
            (one) =>
              one.verb !== denial.verb ||
              one.resource !== denial.resource ||
              one.namespace !== denial.namespace,
          );
  }

  isAllowed(question: AccessQuestion): boolean {
    return this.#denials.every(
      (denial) =>
        (denial.verb !== undefined && denial.verb !== question.verb) ||
        (denial.resource !== undefined && denial.resource !== question.resource) ||
        (denial.namespace !== undefined && denial.namespace !== question.namespace),
    );
  }

  refusal({ verb, resource, namespace }: AccessQuestion): Status {
    if (resource.startsWith('/'))
      return status(403, 'Forbidden', `forbidden: User "${this.user}" cannot ${verb} path "${resource}"`, {});
    const [plural = '', ...group] = resource.split('.');
    const where = namespace === null ? 'at the cluster scope' : `in the namespace "${namespace}"`;
    return status(
      403,
      'Forbidden',
      `${resource} is forbidden: User "${this.user}" cannot ${verb} resource "${plural}" in API group "${group.join('.')}" ${where}`,
      { group: group.join('.'), kind: plural },
    );
  }
}

const attributes = ['namespace', 'verb', 'group', 'version', 'resource', 'subresource', 'name'];

/** Answers a SelfSubjectAccessReview. https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/self-subject-access-review-v1/ */
export function reviewAccess(access: Access, body: unknown): { created: Record<string, unknown> } | Status {
  const review = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  if (review['kind'] !== 'SelfSubjectAccessReview' || review['apiVersion'] !== 'authorization.k8s.io/v1')
    return status(
      400,
      'BadRequest',
      `no kind "${String(review['kind'])}" is registered for version "${String(review['apiVersion'])}"`,
    );
  const spec = (review['spec'] ?? {}) as Record<string, Record<string, string> | undefined>;
  const { resourceAttributes: resource, nonResourceAttributes: path } = spec;
  if ((resource === undefined) === (path === undefined))
    return status(
      422,
      'Invalid',
      'SelfSubjectAccessReview.authorization.k8s.io "" is invalid: spec.resourceAttributes: Invalid value: exactly one of nonResourceAttributes or resourceAttributes must be specified',
    );
  const unknown = Object.keys(resource ?? {}).find((name) => !attributes.includes(name));
  if (unknown !== undefined)
    return status(
      400,
      'BadRequest',
      `strict decoding error: unknown field "spec.resourceAttributes.${unknown}"`,
    );
  const named =
    resource === undefined
      ? ''
      : `${resource['resource'] ?? ''}${resource['subresource'] ? `/${resource['subresource']}` : ''}`;
  const question: AccessQuestion =
    resource === undefined
      ? { verb: path?.['verb'] ?? '', resource: path?.['path'] ?? '', namespace: null }
      : {
          verb: resource['verb'] ?? '',
          resource: resource['group'] ? `${named}.${resource['group']}` : named,
          namespace: resource['namespace'] ?? null,
        };
  return { created: { ...review, status: { allowed: access.isAllowed(question), reason: '' } } };
}
