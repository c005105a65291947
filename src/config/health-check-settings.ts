import { z } from 'zod';
import { dependencyNames, dnsRecordTypes, type HealthCheck } from '../health-checks/health-check.ts';
import { isForbiddenHost } from '../lib/forbidden-address.ts';
import { HeaderName, listOf, Severity, Word } from './setting-types.ts';

const Name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9 ._:-]{0,99}$/)
  .meta({ examples: ['shop'] })
  .describe('What it is called: the identity of its alerts.');

/** As any address of ours, but a check may be let through to link-local ones. */
const Url = z
  .url({ protocol: /^https?$/, hostname: /./ })
  .max(2_000)
  .meta({ format: 'uri', pattern: '^https?://' });

const Host = z
  .string()
  .regex(/^[^\s/?#@]{1,253}$/)
  .meta({ examples: ['db.example.com'] });

const Status = z.union([
  z.int().min(100).max(599),
  z
    .string()
    .regex(/^[1-5]\d\d-[1-5]\d\d$/)
    .meta({ examples: ['200-299'] }),
]);

const common = (defaults: { severity: z.output<typeof Severity>; forSeconds: number }) => ({
  name: Name,
  intervalSeconds: z.number().min(10).max(86_400).default(30).describe('How often it is looked at.'),
  timeoutSeconds: z.number().min(0.1).max(60).default(5).describe('For one look; at most the interval.'),
  forSeconds: z
    .number()
    .min(0)
    .max(86_400)
    .default(defaults.forSeconds)
    .describe('How long it has to fail before anybody is told.'),
  resolveAfterSeconds: z
    .number()
    .min(0)
    .max(86_400)
    .default(60)
    .describe('How long it has to be well again before its alert ends.'),
  severity: Severity.default(defaults.severity).describe('Of the alert when it fails.'),
  latencyMs: z.int().min(1).max(60_000).exactOptional().describe('Slower is an alert of its own.'),
  latencySeverity: Severity.default('P3').describe('Of that alert.'),
  namespace: Word.exactOptional().describe('The namespace its alerts belong to.'),
  labels: z.record(z.string().min(1).max(200), Word).default({}).describe('Labels of its alerts.'),
});

const outside = {
  ...common({ severity: 'P2', forSeconds: 30 }),
  allowLinkLocal: z
    .boolean()
    .default(false)
    .describe('Lets it reach link-local and metadata addresses (169.254.0.0/16, fe80::/10 and their kin).'),
};

const secured = {
  verifyCertificate: z.boolean().default(true).describe('Fail when the certificate is not to be trusted.'),
  certificateDays: z
    .strictObject({
      P1: z.number().min(0).max(3_650).default(2).describe('Days left for P1.'),
      P2: z.number().min(0).max(3_650).default(7).describe('Days left for P2.'),
      P3: z.number().min(0).max(3_650).default(21).describe('Days left for P3.'),
    })
    .prefault({})
    .describe('When an expiring certificate is an alert; never before 5, 10, 20 % of its lifetime are left.'),
};

/** Our own database and vendors open no incident, and nobody is woken before a minute. */
const own = common({ severity: 'P3', forSeconds: 60 });

const Check = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('http'),
    ...outside,
    ...secured,
    url: Url.describe('What is asked.'),
    method: z.enum(['GET', 'HEAD', 'POST', 'OPTIONS']).default('GET').describe('How it is asked.'),
    headers: z
      .record(HeaderName, Word)
      .default({})
      .describe('Sent along; secrets as file:PATH or env:NAME only.'),
    expectStatus: listOf(Status).prefault('200-299').describe('Answers that count as well: 204, or 200-299.'),
    bodyContains: z
      .string()
      .min(1)
      .max(1_000)
      .exactOptional()
      .describe('Text that has to be in the first 64 KiB of the answer.'),
    followRedirects: z.int().min(0).max(5).default(0).describe('How many redirects are followed.'),
  }),
  z.strictObject({
    type: z.literal('tcp'),
    ...outside,
    ...secured,
    host: Host.describe('Name or address.'),
    port: z.int().min(1).max(65_535).describe('Its port.'),
    tls: z.boolean().default(false).describe('Also shake hands, and look at the certificate.'),
  }),
  z.strictObject({
    type: z.literal('dns'),
    ...outside,
    host: Host.describe('The name that is asked for.'),
    recordType: z.enum(dnsRecordTypes).default('A').describe('What is asked for.'),
    servers: listOf(z.union([z.ipv4(), z.ipv6()]))
      .prefault([])
      .describe("Addresses of resolvers; none: the system's."),
    expectAnswer: listOf(Word).prefault([]).describe('Has to be among the answers.'),
  }),
  z.strictObject({ type: z.literal('database'), ...own }),
  z.strictObject({
    type: z.literal('dependency'),
    ...own,
    dependency: z.enum(dependencyNames).describe('Which of those that are configured.'),
  }),
]);
export type CheckSettings = z.output<typeof Check>;

export const HealthChecksSettings = z
  .array(Check)
  .max(500)
  .default([])
  .superRefine((checks, context) => {
    const names = new Set<string>();
    checks.forEach((check, index) => {
      for (const { path, message } of faultsOf(check)) {
        context.addIssue({ code: 'custom', path: [index, ...path], message });
      }
      if (names.has(check.name))
        context.addIssue({ code: 'custom', path: [index, 'name'], message: 'a name no other check has' });
      names.add(check.name);
    });
  });

const linkLocal = 'an address that is neither link-local nor a metadata service, or allowLinkLocal';

function faultsOf(check: CheckSettings): { path: string[]; message: string }[] {
  const faults: { path: string[]; message: string }[] = [];
  if (check.timeoutSeconds > check.intervalSeconds)
    faults.push({ path: ['timeoutSeconds'], message: 'at most intervalSeconds' });
  if (check.type === 'database' || check.type === 'dependency') {
    if (check.forSeconds < 60) faults.push({ path: ['forSeconds'], message: 'at least 60' });
    if (check.severity === 'P0' || check.severity === 'P1')
      faults.push({ path: ['severity'], message: 'one of P2, P3, P4: it opens no incident' });
  }
  if (check.type === 'tcp' && !check.allowLinkLocal && isForbiddenHost(check.host))
    faults.push({ path: ['host'], message: linkLocal });
  if (check.type === 'http') {
    const url = new URL(check.url);
    if (!check.allowLinkLocal && isForbiddenHost(url.hostname))
      faults.push({ path: ['url'], message: linkLocal });
    if (url.username !== '' || url.password !== '')
      faults.push({
        path: ['url'],
        message: 'an address without user and password; use the header Authorization',
      });
  }
  return faults;
}

/**
 * A check as the domain knows it.
 * @param headers of it, with their secrets
 */
export function healthCheckOf(check: CheckSettings, headers: Record<string, string>): HealthCheck {
  const { latencyMs } = check;
  return {
    name: check.name,
    type: check.type,
    target: targetOf(check),
    severity: check.severity,
    namespace: check.namespace ?? null,
    labels: check.labels,
    own: check.type === 'database' || check.type === 'dependency',
    intervalMs: check.intervalSeconds * 1_000,
    timeoutMs: check.timeoutSeconds * 1_000,
    forMs: check.forSeconds * 1_000,
    holdDownMs: check.resolveAfterSeconds * 1_000,
    latency: latencyMs === undefined ? null : { thresholdMs: latencyMs, severity: check.latencySeverity },
    certificate: isSecured(check) ? check.certificateDays : null,
    probe: probeOf(check, headers),
  };
}

/** Query and fragment may hold secrets, and are not shown. */
function targetOf(check: CheckSettings): string {
  switch (check.type) {
    case 'http': {
      const url = new URL(check.url);
      return `${url.origin}${url.pathname}`;
    }
    case 'tcp':
      return `${check.host.includes(':') ? `[${check.host}]` : check.host}:${check.port}`;
    case 'dns':
      return `${check.recordType} ${check.host}`;
    case 'database':
      return 'our database';
    case 'dependency':
      return check.dependency;
    default:
      return check satisfies never;
  }
}

function isSecured(check: CheckSettings): check is CheckSettings & { type: 'http' | 'tcp' } {
  return (check.type === 'http' && check.url.startsWith('https:')) || (check.type === 'tcp' && check.tls);
}

function probeOf(check: CheckSettings, headers: Record<string, string>): HealthCheck['probe'] {
  switch (check.type) {
    case 'http':
      return {
        type: 'http',
        url: check.url,
        method: check.method,
        headers,
        expectStatus: check.expectStatus.map((status) => {
          const [from, to = from] = String(status).split('-').map(Number);
          return { from: from ?? 200, to: to ?? 299 };
        }),
        bodyContains: check.bodyContains ?? null,
        redirects: check.followRedirects,
        verifyCertificate: check.verifyCertificate,
        allowLinkLocal: check.allowLinkLocal,
      };
    case 'tcp':
      return {
        type: 'tcp',
        host: check.host.replace(/^\[(.*)\]$/, '$1'),
        port: check.port,
        tls: check.tls,
        verifyCertificate: check.verifyCertificate,
        allowLinkLocal: check.allowLinkLocal,
      };
    case 'dns':
      return {
        type: 'dns',
        host: check.host,
        recordType: check.recordType,
        servers: check.servers,
        expectAnswer: check.expectAnswer,
        allowLinkLocal: check.allowLinkLocal,
      };
    case 'database':
      return { type: 'database' };
    case 'dependency':
      return { type: 'dependency', dependency: check.dependency };
    default:
      return check satisfies never;
  }
}
