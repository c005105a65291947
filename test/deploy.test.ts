import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { createGrafanaSource } from '../src/integrations/grafana/grafana-source.ts';
import { settingVariables } from '../src/config/env.ts';
import { loadConfig } from '../src/config/load.ts';
import { secretPlaces } from '../src/config/secrets.ts';
import { Settings } from '../src/config/settings.ts';
import { defaultSourceRules, severityOfWord } from '../src/alerts/source-rules.ts';
import { type Right, usedRights } from '../src/integrations/kubernetes/permissions.ts';

/** What `deploy/` and the Dockerfile say of each other and of the service, without a cluster. */
const root = fileURLToPath(new URL('..', import.meta.url));
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');

// oxlint-disable-next-line typescript/no-explicit-any -- manifests are looked into by the tests
type Manifest = any;

function documents(file: string): Manifest[] {
  return parseAllDocuments(read(file), { version: '1.2' }).map((document) => {
    expect(document.errors, file).toEqual([]);
    return document.toJS();
  });
}

const folders = {
  base: 'deploy/kustomize/base',
  default: 'deploy/kustomize/overlays/default',
  tls: 'deploy/kustomize/overlays/tls-checks',
};
const kustomizations = Object.fromEntries(
  Object.entries(folders).map(([name, folder]) => [name, parse(read(`${folder}/kustomization.yaml`))]),
);
const objectsOf = (name: keyof typeof folders): Manifest[] =>
  (kustomizations[name].resources as string[])
    .filter((file) => file.endsWith('.yaml'))
    .flatMap((file) => documents(`${folders[name]}/${file}`));

const base = objectsOf('base');
const all = [...base, ...objectsOf('default'), ...objectsOf('tls')];
const only = (kind: string): Manifest => {
  const found = base.filter((object) => object.kind === kind);
  expect(found, kind).toHaveLength(1);
  return found[0];
};

const deployment = only('Deployment');
const pod = deployment.spec.template;
const container = pod.spec.containers[0];
const selector = { 'app.kubernetes.io/name': 'gomon' };

describe('deploy/kustomize', () => {
  it('uses every file there is', () => {
    for (const [name, folder] of Object.entries(folders)) {
      const { resources, transformers = [], configMapGenerator = [] } = kustomizations[name];
      const named = [
        ...resources,
        ...transformers,
        ...configMapGenerator.flatMap((one: Manifest) => one.files),
      ];
      const files: string[] = readdirSync(path.join(root, folder)).filter(
        (file) => file !== 'kustomization.yaml',
      );
      const local: string[] = named.filter((file: string) => !file.startsWith('..'));
      expect(local.toSorted(), folder).toEqual(files.toSorted());
    }
    expect(kustomizations['default'].resources).toContain('../../base');
    expect(kustomizations['tls'].resources).toContain('../default');
  });

  it('names kinds that go with their API', () => {
    const versions: Record<string, string> = {
      Namespace: 'v1',
      ServiceAccount: 'v1',
      Service: 'v1',
      Deployment: 'apps/v1',
      PodDisruptionBudget: 'policy/v1',
      NetworkPolicy: 'networking.k8s.io/v1',
      Role: 'rbac.authorization.k8s.io/v1',
      RoleBinding: 'rbac.authorization.k8s.io/v1',
      ClusterRole: 'rbac.authorization.k8s.io/v1',
      ClusterRoleBinding: 'rbac.authorization.k8s.io/v1',
    };
    for (const object of all) expect(object.apiVersion, object.kind).toBe(versions[object.kind]);
    const ids = all.map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ''}/${metadata.name}`);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('has no namespace in its base, and one in the overlays, without taking bindings along', () => {
    expect(base.flatMap(({ metadata }) => metadata.namespace ?? [])).toEqual([]);
    expect(JSON.stringify(base)).not.toContain('"namespace"');
    const namespace = all.find(({ kind }) => kind === 'Namespace');
    for (const folder of [folders.default, folders.tls]) {
      expect(parse(read(`${folder}/into-namespace.yaml`))).toMatchObject({
        kind: 'NamespaceTransformer',
        metadata: { namespace: namespace.metadata.name },
        unsetOnly: true,
        setRoleBindingSubjects: 'allServiceAccounts',
      });
    }
  });

  it('selects its own pods everywhere', () => {
    expect(pod.metadata.labels).toMatchObject(selector);
    expect(deployment.spec.selector.matchLabels).toEqual(selector);
    expect(only('Service').spec.selector).toEqual(selector);
    expect(only('PodDisruptionBudget').spec.selector.matchLabels).toEqual(selector);
    expect(only('NetworkPolicy').spec.podSelector.matchLabels).toEqual(selector);
    expect(pod.spec.topologySpreadConstraints[0].labelSelector.matchLabels).toEqual(selector);
    expect(deployment.spec.replicas).toBeGreaterThan(only('PodDisruptionBudget').spec.maxUnavailable);
  });

  it('agrees on ports and probes with the service', () => {
    const { server } = Settings.parse({});
    expect(container.ports).toEqual([{ name: 'http', containerPort: server.port }]);
    expect(only('Service').spec.ports[0].targetPort).toBe('http');
    expect(only('NetworkPolicy').spec.ingress[0].ports).toEqual([{ protocol: 'TCP', port: 'http' }]);
    expect(container.startupProbe.httpGet).toEqual({ path: '/healthz', port: 'http' });
    expect(container.livenessProbe.httpGet).toEqual({ path: '/healthz', port: 'http' });
    expect(container.readinessProbe.httpGet).toEqual({ path: '/readyz', port: 'http' });
    const health = read('src/api/health.ts');
    for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe'])
      expect(health).toContain(`'${container[probe].httpGet.path}'`);
    expect(container.args[0]).toBe('serve');
    // Stopping takes ten seconds at most, after those of preStop.
    expect(pod.spec.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(15);
  });

  it('sets variables that there are, and secrets by reference only', () => {
    const secret = new Map(Object.values(secretPlaces).map(({ variable }) => [variable, true]));
    const known = new Set([...Object.keys(settingVariables), ...secret.keys(), 'GOMON_CONFIG']);
    const names = (container.env as Manifest[]).map(({ name }) => name as string);
    expect(names.filter((name) => !known.has(name))).toEqual([]);
    // In a cluster the ServiceAccount's own token is used.
    const needed = [...secret.keys()].filter((name) => name !== 'GOMON_KUBERNETES_TOKEN');
    expect(needed.filter((name) => !names.includes(name))).toEqual([]);
    for (const { name, value, valueFrom } of container.env as Manifest[]) {
      expect(typeof value === 'string', name).toBe(!secret.has(name));
      if (name === 'DATABASE_URL') expect(valueFrom.secretKeyRef.optional).toBeUndefined();
      else if (secret.has(name)) expect(valueFrom.secretKeyRef.optional, name).toBe(true);
    }
    expect(all.filter(({ kind }) => kind === 'Secret')).toEqual([]);
    // A Service called gomon would set GOMON_PORT in every pod.
    expect(pod.spec.enableServiceLinks).toBe(false);
  });

  it('runs with the least the pod needs', () => {
    expect(pod.spec.securityContext).toMatchObject({
      runAsNonRoot: true,
      runAsUser: 1000,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(container.resources.requests).toMatchObject({
      cpu: expect.any(String),
      memory: expect.any(String),
    });
    expect(container.resources.limits.memory).toEqual(expect.any(String));
    const volumes = (pod.spec.volumes as Manifest[]).map(({ name }) => name as string);
    expect((container.volumeMounts as Manifest[]).map(({ name }) => name as string)).toEqual(volumes);
  });

  it('mounts settings that are valid', async () => {
    const [generated] = kustomizations['base'].configMapGenerator;
    expect(pod.spec.volumes[0].configMap.name).toBe(generated.name);
    const mount = container.volumeMounts[0].mountPath as string;
    const config = (container.env as Manifest[]).find(({ name }) => name === 'GOMON_CONFIG');
    expect(config.value).toBe(`${mount}/${generated.files[0]}`);
    const loaded = await loadConfig({
      argvConfigPath: path.join(root, folders.base, generated.files[0]),
      env: {},
      cwd: root,
    });
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
    const bound = objectsOf('default')
      .filter(({ kind, metadata }) => kind === 'RoleBinding' && metadata.name === 'gomon-namespace')
      .map(({ metadata }) => metadata.namespace as string);
    expect(bound.toSorted()).toEqual(loaded.config.settings.kubernetes.namespaces.toSorted());
    expect(bound.toSorted()).toEqual(Settings.parse({}).kubernetes.namespaces.toSorted());
  });

  it('binds roles that there are to its own account', () => {
    expect(pod.spec.serviceAccountName).toBe(only('ServiceAccount').metadata.name);
    for (const { kind, metadata, roleRef, subjects } of all.filter((object) =>
      object.kind.endsWith('Binding'),
    )) {
      const role = all.find(
        (object) =>
          object.kind === roleRef.kind &&
          object.metadata.name === roleRef.name &&
          (roleRef.kind === 'ClusterRole' || object.metadata.namespace === metadata.namespace),
      );
      expect(role, `${kind} ${metadata.name}`).toBeDefined();
      expect(subjects).toEqual([{ kind: 'ServiceAccount', name: only('ServiceAccount').metadata.name }]);
    }
    for (const { kind, metadata } of all.filter((object) => object.kind.endsWith('Role'))) {
      const bound = all.some(({ roleRef }) => roleRef?.kind === kind && roleRef.name === metadata.name);
      expect(bound, metadata.name).toBe(true);
    }
  });

  it('grants all that is used, but Secrets', () => {
    const objects = [...base, ...objectsOf('default')];
    const rulesFor = (namespace: string | null): Manifest[] =>
      objects
        .filter(({ kind, metadata }) =>
          namespace === null
            ? kind === 'ClusterRoleBinding'
            : kind === 'RoleBinding' && metadata.namespace === namespace,
        )
        .flatMap(({ roleRef, metadata }) =>
          objects
            .filter(
              ({ kind, metadata: of }) =>
                kind === roleRef.kind &&
                of.name === roleRef.name &&
                (kind === 'ClusterRole' || of.namespace === metadata.namespace),
            )
            .flatMap(({ rules }) => rules as Manifest[]),
        );
    const isGranted = (right: Right): boolean => {
      const [plural = '', ...group] = right.resource.split('.');
      const resource = right.subresource === undefined ? plural : `${plural}/${right.subresource}`;
      return rulesFor(right.namespace).some((rule) =>
        right.path === undefined
          ? rule.verbs.includes(right.verb) &&
            rule.apiGroups?.includes(group.join('.')) === true &&
            rule.resources.includes(resource) &&
            (rule.resourceNames === undefined || rule.resourceNames.includes(right.name))
          : rule.nonResourceURLs?.includes(right.path) === true,
      );
    };
    const missing = usedRights(Settings.parse({}).kubernetes.namespaces).filter((right) => !isGranted(right));
    expect(new Set(missing.map(({ resource }) => resource))).toEqual(new Set(['secrets']));
  });

  it('may read, and neither write nor read Secrets', () => {
    const rules = (objects: Manifest[]): Manifest[] => objects.flatMap((object) => object.rules ?? []);
    for (const rule of rules(all)) {
      expect(rule.verbs.filter((verb: string) => !['get', 'list', 'watch'].includes(verb))).toEqual([]);
      expect(JSON.stringify(rule)).not.toContain('*');
      expect(JSON.stringify(rule.resources ?? [])).not.toMatch(
        /exec|attach"|proxy|portforward|impersonate|token/,
      );
    }
    const secrets = (objects: Manifest[]): Manifest[] =>
      rules(objects).filter((rule) => JSON.stringify(rule.resources ?? []).includes('secret'));
    expect(secrets([...base, ...objectsOf('default')])).toEqual([]);
    // Only those that are named: a right to list is a right to read them all.
    expect(secrets(objectsOf('tls')).length).toBeGreaterThan(0);
    for (const rule of secrets(objectsOf('tls'))) {
      expect(rule.verbs).toEqual(['get']);
      expect(rule.resourceNames.length).toBeGreaterThan(0);
    }
  });

  it('reaches everything but metadata services', () => {
    const [world, dns] = only('NetworkPolicy').spec.egress;
    expect(world.to).toEqual([
      { ipBlock: { cidr: '0.0.0.0/0', except: ['169.254.0.0/16'] } },
      { ipBlock: { cidr: '::/0', except: ['fe80::/10'] } },
    ]);
    expect(dns.ports.map((port: Manifest) => port.port)).toEqual([53, 53]);
  });
});

describe('Dockerfile', () => {
  const text = read('Dockerfile');
  const manifest = parse(read('package.json')) as { version: string; devDependencies: { node: string } };

  it('builds in stages on the Node that is tested, without development packages', () => {
    const images = [...text.matchAll(/^FROM (\S+)/gm)].map((match) => match[1]);
    expect(images).toHaveLength(2);
    expect(new Set(images)).toEqual(new Set([`node:${manifest.devDependencies.node}-slim`]));
    expect(text).toContain('npm ci --omit=dev');
  });

  it('runs as the user of the Deployment, on the port of the settings, with a health check', () => {
    const { runAsUser, runAsGroup } = pod.spec.securityContext;
    expect(text).toContain(`\nUSER ${runAsUser}:${runAsGroup}\n`);
    expect(text).toContain(`\nEXPOSE ${Settings.parse({}).server.port}\n`);
    expect(text).toMatch(/HEALTHCHECK [^]*\/healthz/);
    expect(text).toContain('ENTRYPOINT ["node", "src/main.ts"]');
    expect(text).toContain(`CMD ["${container.args[0]}"]`);
    expect(container.image).toBe(`gomon:${manifest.version}`);
    expect(kustomizations['default'].images[0]).toMatchObject({ name: 'gomon', newTag: manifest.version });
  });

  it('copies what is there, and nothing else goes to the builder', () => {
    const copied = [...text.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap((match) =>
      (match[1] ?? '').split(' '),
    );
    for (const file of copied) expect(readdirSync(root), file).toContain(file);
    const allowed = [...read('.dockerignore').matchAll(/^!(\S+)$/gm)].map((match) => match[1] ?? '');
    expect([...new Set(copied)].toSorted()).toEqual(allowed.toSorted());
  });
});

describe('deploy/grafana/provisioning/alerting', () => {
  const folder = 'deploy/grafana/provisioning/alerting';
  const [contacts] = documents(`${folder}/contact-points.yaml`);
  const [policies] = documents(`${folder}/notification-policies.yaml`);
  const [file] = documents(`${folder}/rules.yaml`);
  const rules = (file.groups as Manifest[]).flatMap((group) => group.rules as Manifest[]);

  it('sends everything to our webhook, signed', () => {
    const [contact] = contacts.contactPoints;
    const { settings, type, disableResolveMessage } = contact.receivers[0];
    expect(policies.policies.map(({ receiver }: Manifest) => receiver as string)).toEqual([contact.name]);
    expect(type).toBe('webhook');
    expect(disableResolveMessage).toBe(false);
    expect(settings.url).toBe('$GOMON_URL/api/v1/webhooks/grafana');
    expect(read('src/api/source-webhooks.ts')).toContain('/api/v1/webhooks/grafana');
    expect(settings.hmacConfig).toEqual({
      secret: `$${secretPlaces.grafanaSecrets.variable}`,
      header: Settings.parse({}).sources.grafana.signatureHeader,
    });
    expect(settings.payload).toBeUndefined();
    expect(createGrafanaSource({ secrets: [], ...Settings.parse({}).sources.grafana }).name).toBe('grafana');
  });

  it('has the rules for CPU, memory and consumer lag', () => {
    const thresholds = rules.map(({ uid, data }) => [uid, data.at(-1).model.conditions[0].evaluator]);
    expect(Object.fromEntries(thresholds)).toEqual({
      'gomon-node-cpu': { type: 'gt', params: [80] },
      'gomon-node-memory': { type: 'gt', params: [90] },
      'gomon-container-cpu': { type: 'gt', params: [80] },
      'gomon-container-memory': { type: 'gt', params: [90] },
      'gomon-kafka-consumer-lag': { type: 'gt', params: [10_000] },
    });
    expect(new Set(rules.map(({ title }) => title as string)).size).toBe(rules.length);
  });

  it('has rules that refer to what they have, in words that we know', () => {
    for (const { uid, condition, data, labels, annotations } of rules) {
      const [query, threshold] = data as Manifest[];
      expect(threshold.refId, uid).toBe(condition);
      expect(threshold.model).toMatchObject({
        refId: threshold.refId,
        type: 'threshold',
        expression: query.refId,
      });
      expect(query.model).toMatchObject({ refId: query.refId, instant: true });
      expect(query.datasourceUid).toBe('prometheus');
      expect(threshold.datasourceUid).toBe('__expr__');
      expect(severityOfWord(defaultSourceRules, labels.severity), uid).toBeDefined();
      // Grafana would take it for a variable of its environment.
      expect(JSON.stringify([annotations, data])).not.toContain('$');
      expect(annotations.summary).toContain(`.Values.${query.refId}.Value`);
      // What the text names has to be left by the expression.
      for (const [, name = ''] of String(annotations.summary).matchAll(/\.Labels\.(\w+)/g)) {
        const kept =
          !/\bby \(/.test(query.model.expr) || new RegExp(`by \\([^)]*\\b${name}\\b`).test(query.model.expr);
        expect(kept, `${uid} ${name}`).toBe(true);
      }
    }
  });

  const promtool = spawnSync('promtool', ['--version']).status === 0;
  it.skipIf(!promtool)('asks what Prometheus understands', () => {
    const temporary = mkdtempSync(path.join(tmpdir(), 'gomon-rules-'));
    const checked = path.join(temporary, 'rules.yml');
    const asRules = rules.map(({ uid, data }) => ({ alert: uid, expr: data[0].model.expr }));
    writeFileSync(checked, stringify({ groups: [{ name: 'grafana', rules: asRules }] }));
    const run = spawnSync('promtool', ['check', 'rules', checked], { encoding: 'utf8' });
    rmSync(temporary, { recursive: true });
    expect(run.stderr).toBe('');
    expect(run.status).toBe(0);
  });
});
