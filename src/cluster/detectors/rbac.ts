import type { KubeObject } from '../cluster-view.ts';
import { type Condition, condition, subjectOf } from '../condition.ts';
import { createdAt, fields, isTerminating, labelsOf, list, text, texts } from '../fields.ts';
import { isIgnored, type Scene } from '../scene.ts';
import { defaultTokenUse, nameUsers } from './default-account.ts';
import { nameOf } from './pod-findings.ts';

/**
 * Rights that are wider than they should be (specification §2.8). What is there
 * at the first start becomes part of the digest; what comes later is told.
 */
const everybody = new Set(['system:anonymous', 'system:unauthenticated', 'system:authenticated']);

export function detectRbac(scene: Scene): Condition[] {
  const found: Condition[] = [];
  const bindings = [
    ...scene.view
      .list('clusterrolebindings.rbac.authorization.k8s.io')
      .map((one) => ({ kind: 'ClusterRoleBinding', one })),
    ...scene.view.list('rolebindings.rbac.authorization.k8s.io').map((one) => ({ kind: 'RoleBinding', one })),
  ];
  for (const { kind, one } of bindings) {
    if (isDefault(one)) continue;
    const problems = bindingProblems(scene, one);
    if (problems.length > 0) found.push(...told(scene, kind, one, problems));
    found.push(...missingRole(scene, kind, one));
  }
  for (const [kind, resource] of [
    ['ClusterRole', 'clusterroles.rbac.authorization.k8s.io'],
    ['Role', 'roles.rbac.authorization.k8s.io'],
  ] as const) {
    for (const role of scene.view.list(resource)) {
      if (isDefault(role)) continue;
      const problems = roleProblems(role);
      if (problems.length > 0) found.push(...told(scene, kind, role, problems));
    }
  }
  return found;
}

/** What Kubernetes itself brings, and what belongs to it by name. */
function isDefault(object: KubeObject): boolean {
  return (
    isTerminating(object) ||
    isIgnored(object) ||
    labelsOf(object)['kubernetes.io/bootstrapping'] === 'rbac-defaults' ||
    object.metadata.name.startsWith('system:') ||
    object.metadata.name.startsWith('kubeadm:')
  );
}

type Problem = { text: string; grave: boolean; isUsed?: boolean };

function bindingProblems(scene: Scene, binding: KubeObject): Problem[] {
  const role = text(fields(binding['roleRef'])['name']) ?? '';
  return list(binding['subjects']).flatMap((subject): Problem[] => {
    const name = text(subject['name']) ?? '';
    const isDefaultAccount = subject['kind'] === 'ServiceAccount' && name === 'default';
    if (isDefaultAccount) {
      const namespace = text(subject['namespace']) ?? binding.metadata.namespace ?? 'default';
      return [defaultAccountProblem(scene, namespace, role)];
    }
    if (everybody.has(name))
      return [{ text: `${name} is bound to ${role}`, grave: name !== 'system:authenticated' }];
    if (role === 'cluster-admin' && name !== 'system:masters')
      return [{ text: `${text(subject['kind']) ?? ''} ${name} is cluster-admin`, grave: false }];
    return [];
  });
}

/** Bound is what somebody did; that pods mount the token makes it what every pod without an account of its own may do. */
function defaultAccountProblem(scene: Scene, namespace: string, role: string): Problem {
  const use = defaultTokenUse(scene, namespace);
  const users = nameUsers(use);
  const held =
    users === '' ? 'pods mounted its token within the last day' : `its token is mounted by ${users}`;
  return {
    text: `the default ServiceAccount of ${namespace} is bound to ${role}${use.isUsed ? `, and ${held}` : ''}`,
    grave: role === 'cluster-admin',
    isUsed: use.isUsed,
  };
}

function roleProblems(role: KubeObject): Problem[] {
  const kinds = new Set<string>();
  for (const rule of list(role['rules'])) {
    const verbs = texts(rule['verbs']);
    const resources = texts(rule['resources']);
    if (verbs.includes('*') && resources.includes('*')) kinds.add('every verb on every resource');
    else if (verbs.includes('*') && resources.includes('secrets')) kinds.add('every verb on Secrets');
    for (const verb of ['escalate', 'bind', 'impersonate'])
      if (verbs.includes(verb)) kinds.add(`verb ${verb}`);
    const writes = verbs.some((verb) => ['*', 'create', 'get'].includes(verb));
    if (resources.includes('pods/exec') && writes) kinds.add('pods/exec');
    if (resources.includes('nodes/proxy')) kinds.add('nodes/proxy');
    if (resources.includes('secrets') && verbs.includes('list') && texts(rule['resourceNames']).length === 0)
      kinds.add('list of all Secrets');
  }
  return [...kinds].map((one) => ({ text: one, grave: false }));
}

function told(scene: Scene, kind: string, object: KubeObject, problems: Problem[]): Condition[] {
  const subject = subjectOf(kind, object);
  const isUsed = problems.some((problem) => problem.isUsed === true);
  return condition(scene.rules, {
    rule: problems.some(({ grave }) => grave)
      ? 'rbac.grave'
      : isUsed && scene.rules['rbac.default-account'].enabled
        ? 'rbac.default-account'
        : 'rbac.risky',
    reason: 'RiskyRights',
    subject,
    since: createdAt(object),
    title: `${nameOf(subject)} gives wide rights`,
    description: problems.map((one) => one.text).join('\n'),
    // Told again when it comes into use.
    version: isUsed ? 'in use' : null,
  });
}

function missingRole(scene: Scene, kind: string, binding: KubeObject): Condition[] {
  const ref = fields(binding['roleRef']);
  const name = text(ref['name']) ?? '';
  const isCluster = ref['kind'] === 'ClusterRole';
  const resource = isCluster ? 'clusterroles.rbac.authorization.k8s.io' : 'roles.rbac.authorization.k8s.io';
  if (scene.view.freshness(resource).state !== 'streaming') return [];
  if (scene.view.get(resource, isCluster ? null : (binding.metadata.namespace ?? null), name) !== undefined)
    return [];
  const subject = subjectOf(kind, binding);
  return condition(scene.rules, {
    rule: 'rbac.missing-role',
    reason: 'MissingRole',
    subject,
    since: scene.history.seen(`role/${kind}/${binding.metadata.uid}`, scene.now),
    onset: createdAt(binding),
    title: `${nameOf(subject)} names a role that does not exist: ${name}`,
    description: 'Whoever is bound by it has no rights.',
  });
}
