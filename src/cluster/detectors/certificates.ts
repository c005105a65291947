import { X509Certificate } from 'node:crypto';
import type { KubeObject } from '../cluster-view.ts';
import { type Condition, condition, subjectOf, type Subject } from '../condition.ts';
import { fields, isTerminating, list, text, texts } from '../fields.ts';
import type { RuleName } from '../rules.ts';
import { type CertificateFacts, isIgnored, type Scene } from '../scene.ts';

/**
 * TLS certificates (specification §2.6). Read from handshakes where somebody
 * makes them, else from Secrets where the watcher may read those: `tls.crt` only,
 * `tls.key` is never looked at.
 */
export function detectCertificates(scene: Scene): Condition[] {
  const found: Condition[] = [];
  const used = new Map<string, { ingress: Subject; hosts: string[] }>();
  const secretsKnown = scene.view.freshness('secrets').state === 'streaming';
  for (const ingress of scene.view.list('ingresses.networking.k8s.io')) {
    if (isTerminating(ingress) || isIgnored(ingress)) continue;
    const namespace = ingress.metadata.namespace ?? '';
    for (const tls of list(fields(ingress.spec)['tls'])) {
      const name = text(tls['secretName']);
      if (name === null) continue;
      const before = used.get(`${namespace}/${name}`);
      const hosts = [...(before?.hosts ?? []), ...texts(tls['hosts'])];
      used.set(`${namespace}/${name}`, { ingress: subjectOf('Ingress', ingress), hosts });
      if (secretsKnown) found.push(...secretProblem(scene, ingress, name));
    }
  }
  const seen = new Set<string>();
  for (const facts of [...scene.probes.certificates, ...fromSecrets(scene)]) {
    const id = `${facts.namespace}/${facts.name}`;
    if (seen.has(id)) continue;
    seen.add(id);
    const use = used.get(id);
    found.push(...judge(scene, facts, use?.hosts ?? [], use !== undefined));
  }
  return found;
}

function fromSecrets(scene: Scene): CertificateFacts[] {
  return scene.view.list('secrets').flatMap((secret) => {
    if (secret['type'] !== 'kubernetes.io/tls' || isTerminating(secret) || isIgnored(secret)) return [];
    return readTlsSecret(secret) ?? [];
  });
}

const parsed = new WeakMap<KubeObject, CertificateFacts | null>();

/** Null for what holds no certificate that can be read (a metadata-only object holds nothing). */
export function readTlsSecret(secret: KubeObject): CertificateFacts | null {
  const known = parsed.get(secret);
  if (known !== undefined) return known;
  const encoded = text(fields(secret['data'])['tls.crt']);
  const chain = encoded === null ? null : readChain(Buffer.from(encoded, 'base64').toString('latin1'));
  const facts =
    chain === null || chain.length === 0
      ? null
      : { namespace: secret.metadata.namespace ?? '', name: secret.metadata.name, chain };
  parsed.set(secret, facts);
  return facts;
}

/** Longer chains are nobody's. */
const longestChain = 10;

export function readChain(pem: string): CertificateFacts['chain'] | null {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
  try {
    return blocks.slice(0, longestChain).map((block) => {
      const one = new X509Certificate(block);
      return {
        subject: one.subject,
        issuer: one.issuer,
        notBefore: new Date(one.validFrom),
        notAfter: new Date(one.validTo),
        hosts: (one.subjectAltName ?? '')
          .split(/,\s*/)
          .filter((name) => name.startsWith('DNS:'))
          .map((name) => name.slice(4)),
        isCa: one.ca,
      };
    });
  } catch {
    return null;
  }
}

/** A Secret that an Ingress names and that cannot serve. Contents are only judged where they were read. */
function secretProblem(scene: Scene, ingress: KubeObject, name: string): Condition[] {
  const secret = scene.view.get('secrets', ingress.metadata.namespace ?? null, name);
  const isRead = secret?.['data'] !== undefined;
  const problem =
    secret === undefined
      ? 'it does not exist'
      : secret['type'] !== undefined && secret['type'] !== 'kubernetes.io/tls'
        ? `it is of type ${text(secret['type']) ?? ''}`
        : isRead && readTlsSecret(secret) === null
          ? 'it holds no certificate that can be read'
          : null;
  if (problem === null) return [];
  const namespace = ingress.metadata.namespace ?? null;
  return condition(scene.rules, {
    rule: 'certificate.secret',
    reason: 'CertificateSecret',
    subject: { kind: 'Secret', namespace, name },
    since: scene.history.seen(`tls/${namespace}/${name}`, scene.now),
    onset: new Date(ingress.metadata.creationTimestamp ?? scene.now),
    title: `Secret ${namespace}/${name} of Ingress ${ingress.metadata.name} cannot serve TLS: ${problem}`,
    description: 'The controller serves its own certificate instead, which no browser accepts.',
  });
}

const dayMs = 86_400_000;

function judge(scene: Scene, facts: CertificateFacts, hosts: string[], isUsed: boolean): Condition[] {
  const { now } = scene;
  const [leaf] = facts.chain;
  if (leaf === undefined) return [];
  const subject = { kind: 'Secret', namespace: facts.namespace, name: facts.name };
  const name = `Certificate ${facts.namespace}/${facts.name}`;
  const found: Condition[] = [];
  const ends = facts.chain.toSorted((a, b) => a.notAfter.getTime() - b.notAfter.getTime());
  const [first] = ends;
  if (first !== undefined) {
    const rule = validityRule(scene, first, isUsed);
    if (rule !== null) {
      const isOver = now > first.notAfter;
      found.push(
        ...condition(scene.rules, {
          rule,
          reason: isOver ? 'CertificateExpired' : 'CertificateExpires',
          subject,
          since: isOver ? first.notAfter : null,
          title: isOver
            ? `${name} has expired`
            : `${name} expires on ${first.notAfter.toISOString().slice(0, 10)}`,
          description: `${first.subject.replaceAll('\n', ', ')}: valid until ${first.notAfter.toISOString()}.`,
        }),
      );
    }
  }
  if (leaf.notBefore.getTime() > now.getTime() + 300_000) {
    found.push(
      ...condition(scene.rules, {
        rule: 'certificate.not-yet-valid',
        reason: 'CertificateNotYetValid',
        subject,
        title: `${name} is valid only from ${leaf.notBefore.toISOString()}`,
        description: '',
      }),
    );
  }
  const missing = hosts.filter((host) => !leaf.hosts.some((pattern) => hostFits(host, pattern)));
  if (missing.length > 0) {
    found.push(
      ...condition(scene.rules, {
        rule: 'certificate.host',
        reason: 'CertificateHost',
        subject,
        title: `${name} is not for ${[...new Set(missing)].join(', ')}`,
        description: `It is for ${leaf.hosts.length === 0 ? 'no host' : leaf.hosts.join(', ')}.`,
      }),
    );
  }
  if (isUsed && leaf.subject === leaf.issuer) {
    found.push(
      ...condition(scene.rules, {
        rule: 'certificate.self-signed',
        reason: 'CertificateSelfSigned',
        subject,
        title: `${name} is self-signed`,
        description: '',
      }),
    );
  }
  return found;
}

/** Thresholds also count in shares of the life: of 90 days, cert-manager renews when 30 are left. */
function validityRule(
  scene: Scene,
  one: CertificateFacts['chain'][number],
  isUsed: boolean,
): RuleName | null {
  const leftMs = one.notAfter.getTime() - scene.now.getTime();
  if (leftMs < 0) return isUsed ? 'certificate.expired.used' : 'certificate.expired';
  const lifeMs = one.notAfter.getTime() - one.notBefore.getTime();
  const near = (
    ['certificate.expires.soon', 'certificate.expires.week', 'certificate.expires.weeks'] as const
  ).find((rule) => {
    const { days = 0, percent = 0 } = scene.rules[rule].thresholds;
    return leftMs < Math.min(days * dayMs, (percent / 100) * lifeMs);
  });
  return near ?? null;
}

/** A wildcard stands for exactly one label; the common name does not count any more. */
export function hostFits(host: string, pattern: string): boolean {
  const [a, b] = [host.toLowerCase(), pattern.toLowerCase()];
  if (!b.startsWith('*.')) return a === b;
  const dot = a.indexOf('.');
  return dot > 0 && a.slice(dot) === b.slice(1);
}
