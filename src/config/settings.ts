import { z } from 'zod';
import { ruleNames, unknownThresholds } from '../cluster/rules.ts';
import {
  Channel,
  FilePath,
  listOf,
  matchConditions,
  Proxy,
  Responder,
  Severity,
  WebUrl,
  Word,
} from './setting-types.ts';
import { HealthChecksSettings } from './health-check-settings.ts';
import { SourcesSettings } from './source-settings.ts';

/**
 * Every setting with its default, its limits and its explanation: the settings
 * check, the printed settings and the JSON Schema all come from here. Secrets are
 * not settings, they stand in `secrets.ts`. Units are part of the names.
 */

const Server = z.strictObject({
  host: z.string().min(1).max(255).default('127.0.0.1').describe('Address to listen on. GOMON_HOST.'),
  port: z.int().min(0).max(65_535).default(8_080).describe('Port to listen on; 0: any free one. GOMON_PORT.'),
  publicUrl: WebUrl.nullable()
    .default(null)
    .describe('The address at which people and vendors reach us; null: http://HOST:PORT. GOMON_PUBLIC_URL.'),
  trustedProxies: listOf(Proxy)
    .prefault([])
    .describe('Addresses or networks of reverse proxies whose X-Forwarded-For is believed.'),
  rateLimit: z
    .strictObject({
      requestsPerSecond: z.number().min(0.1).max(100_000).default(100).describe('Sustained, per API token.'),
      burst: z.int().min(1).max(1_000_000).default(500).describe('How many may come at once.'),
      perAddress: z
        .strictObject({
          requestsPerSecond: z
            .number()
            .min(0.1)
            .max(100_000)
            .default(20)
            .describe('Sustained, per address, of requests without a valid credential.'),
          burst: z.int().min(1).max(1_000_000).default(100).describe('How many of them may come at once.'),
        })
        .prefault({})
        .describe('For strangers; a valid credential is never held by what else comes from its address.'),
    })
    .prefault({})
    .describe('For people and their tools; sources are held by backpressure instead. Counted per process.'),
  requestTimeoutSeconds: z
    .number()
    .min(1)
    .max(600)
    .default(60)
    .describe('In which a request has to arrive in full.'),
  maxConnections: z
    .int()
    .min(10)
    .max(1_000_000)
    .default(5_000)
    .describe('Connections at once; more are closed, and their senders try again.'),
});

const Log = z.strictObject({
  level: z
    .enum(['debug', 'info', 'warn', 'error'])
    .default('info')
    .describe('The least grave lines written. GOMON_LOG_LEVEL.'),
  format: z
    .enum(['json', 'pretty'])
    .default('json')
    .describe('json for machines; pretty needs pino-pretty installed.'),
});

const Database = z.strictObject({
  dataDir: FilePath.default('./data').describe(
    'Folder of the embedded PostgreSQL, used when no database URL is set. GOMON_DATA_DIR.',
  ),
  poolSize: z.int().min(2).max(500).default(20).describe('Most connections of one process.'),
  startPatienceSeconds: z
    .int()
    .min(0)
    .max(86_400)
    .default(600)
    .describe('How long a start waits for a database that is away.'),
});

const Slack = z.strictObject({
  apiUrl: WebUrl.default('https://slack.com/api/').describe('Base of the Web API. SLACK_API_URL.'),
  channels: z
    .strictObject({
      critical: Channel.default('#alert-critical').describe('P0 and P1.'),
      default: Channel.default('#k8s-healthchecks').describe('P2 to P4.'),
      development: Channel.default('#monitoring-dev').describe(
        'Label environment dev, development, test or staging, whatever the severity.',
      ),
    })
    .prefault({})
    .describe('Where alerts go that fit no route.'),
  routes: z
    .array(z.strictObject({ ...matchConditions, channel: Channel.describe('Where alerts go that fit.') }))
    .max(1_000)
    .default([])
    .describe('The first route whose conditions all fit decides; before the channels above.'),
  standIns: z
    .record(Channel, Channel)
    .default({})
    .describe('Which channel takes the messages of one that cannot be posted to, where not the usual one.'),
  unlinkedUsers: z
    .enum(['act', 'read'])
    .default('act')
    .describe('What people in Slack may do whose account is not linked by e-mail.'),
  templateFile: FilePath.nullable()
    .default(null)
    .describe("A card template of one's own; null: the built-in one."),
  pace: z
    .strictObject({
      burstPerChannel: z.int().min(1).max(1_000).default(20).describe('Posts to one channel at once.'),
      postsPerSecondPerChannel: z
        .number()
        .min(0.01)
        .max(100)
        .default(1)
        .describe('Posts to one channel after that.'),
      editBurst: z.int().min(1).max(10_000).default(40).describe('Edits in the workspace at once.'),
      editsPerMinute: z
        .number()
        .min(1)
        .max(100_000)
        .default(50)
        .describe('Edits in the workspace after that.'),
    })
    .prefault({})
    .describe("How fast we write. Slack's own limits are about these; more brings refusals."),
});

const Incidents = z.strictObject({
  autoCreate: listOf(Severity)
    .prefault(['P0', 'P1'])
    .describe('Severities that open an incident by themselves; []: none.'),
  reconcileSeconds: z
    .int()
    .min(10)
    .max(86_400)
    .default(300)
    .describe('How often each open incident is compared with the provider, and what differs repaired.'),
  assignment: z
    .array(
      z.strictObject({
        ...matchConditions,
        responders: z.array(Responder).min(1).max(50).describe('Who is told.'),
      }),
    )
    .max(1_000)
    .default([])
    .describe(
      "Who is told of an incident: the first line whose conditions all fit decides; none: the provider's own routing.",
    ),
});

const Opsgenie = z.strictObject({
  apiUrl: WebUrl.default('https://api.opsgenie.com').describe(
    'The region of the account; https://api.eu.opsgenie.com for Europe. OPSGENIE_API_URL.',
  ),
  mode: z.enum(['alert', 'incident']).default('alert').describe('What an incident of ours becomes there.'),
  webUrl: WebUrl.nullable()
    .default(null)
    .describe('Base of the pages people open; null: guessed from apiUrl.'),
  timeoutSeconds: z.number().min(1).max(120).default(10).describe('For one call.'),
  impactedServices: listOf(Word).prefault([]).describe('Ids of services; mode incident only.'),
});

const Jaeger = z.strictObject({
  queryUrl: WebUrl.nullable()
    .default(null)
    .describe('The query API; null: traces are only linked to. JAEGER_QUERY_URL.'),
  uiUrl: WebUrl.nullable()
    .default(null)
    .describe('The address people open; null: the query API. JAEGER_UI_URL.'),
});

const RuleName = z.enum(ruleNames);

const RuleChange = z.strictObject({
  enabled: z.boolean().optional().describe('false: never look for it.'),
  waitSeconds: z
    .int()
    .min(0)
    .max(31_536_000)
    .optional()
    .describe('How long it has to last before it is told.'),
  severity: Severity.optional().describe('Instead of the severities of all stages.'),
  thresholds: z
    .record(z.string(), z.number().min(0))
    .optional()
    .describe('Other numbers of the rule, by name.'),
});

function pathOf(threshold: string): string[] {
  const [rule = '', name = ''] = threshold.split('.thresholds.');
  return [rule, 'thresholds', name];
}

const Kubernetes = z.strictObject({
  mode: z
    .enum(['auto', 'in-cluster', 'kubeconfig', 'url', 'off'])
    .default('auto')
    .describe(
      'Where the cluster is. auto: apiUrl when it is set, else the in-cluster account, else a kubeconfig, else off; off: never look for one. GOMON_KUBERNETES.',
    ),
  kubeconfig: FilePath.nullable()
    .default(null)
    .describe('Its path, or several as in PATH; null: ~/.kube/config. KUBECONFIG.'),
  context: z
    .string()
    .min(1)
    .max(500)
    .nullable()
    .default(null)
    .describe('Which context of the kubeconfig; null: its current one.'),
  apiUrl: WebUrl.nullable()
    .default(null)
    .describe('The address of the API server, to be used with the token.'),
  caFile: FilePath.nullable()
    .default(null)
    .describe('The CA of apiUrl as PEM; null: the CAs that everybody knows.'),
  namespaces: listOf(Word)
    .prefault(['monitoring', 'kube-system', 'ingress-nginx'])
    .describe('Namespaces that are watched.'),
  cluster: Word.default('default').describe(
    'Name of the cluster: a label of its alerts, and part of their identity.',
  ),
  configMaps: z
    .strictObject({
      ignore: listOf(Word)
        .prefault([])
        .describe('Whose changes are no news: namespace/name, where * stands for any text.'),
      ignoreManagers: listOf(Word)
        .prefault([])
        .describe('Field managers whose writes are no news; * stands for any text.'),
    })
    .prefault({})
    .describe('ConfigMaps, whose changes are told.'),
  rules: z
    .partialRecord(RuleName, RuleChange)
    .default({})
    .superRefine((changes, context) => {
      for (const path of unknownThresholds(changes))
        context.addIssue({
          code: 'custom',
          path: pathOf(path),
          message: 'a threshold that its rule has; gomon rules list names them',
        });
    })
    .describe('Changes of the rules by name; gomon rules list prints all of them.'),
});

const Intake = z.strictObject({
  maxBodyBytes: z
    .int()
    .min(1_024)
    .max(100 * 1_024 * 1_024)
    .default(10 * 1_024 * 1_024)
    .describe('The largest body a source may send.'),
  queueLimitAlerts: z
    .int()
    .min(100)
    .max(10_000_000)
    .default(20_000)
    .describe('Alerts that may wait for a commit before sources are asked to come again (503).'),
  alertsPerCommit: z.int().min(1).max(100_000).default(200).describe('Most alerts in one transaction.'),
});

const Fallback = z.strictObject({
  afterSeconds: z
    .int()
    .min(1)
    .max(3_600)
    .default(20)
    .describe('How long Slack may leave a P0 or P1 waiting before the webhook carries it, too.'),
});

const everySeconds = z.int().min(5).max(3_600).default(60);

const Canary = z.strictObject({
  channel: Channel.nullable()
    .default(null)
    .describe('A channel of its own for test alerts that the service sends itself; null: none are sent.'),
  intervalSeconds: everySeconds.describe('How often one is sent.'),
});

const Heartbeat = z.strictObject({
  url: WebUrl.nullable()
    .default(null)
    .describe('Called (GET) while all is well; null: nothing is. It may hold a secret and is never shown.'),
  opsgenie: z
    .string()
    .min(1)
    .max(200)
    .nullable()
    .default(null)
    .describe('Name of a heartbeat of Opsgenie that is pinged while all is well; null: none.'),
  intervalSeconds: everySeconds.describe('How often.'),
});

const Sections = z.strictObject({
  server: Server.prefault({}).describe('Our HTTP door.'),
  log: Log.prefault({}).describe('What the service writes about itself.'),
  database: Database.prefault({}).describe('Where everything is kept.'),
  sources: SourcesSettings.prefault({}).describe('How the alerts of each source are read.'),
  slack: Slack.prefault({}).describe('Where people are told.'),
  fallback: Fallback.prefault({}).describe('The second path of P0 and P1.'),
  incidents: Incidents.prefault({}).describe('When an incident is opened, and for whom.'),
  opsgenie: Opsgenie.prefault({}).describe('The incident provider.'),
  jaeger: Jaeger.prefault({}).describe('Traces.'),
  kubernetes: Kubernetes.prefault({}).describe('The cluster that is watched.'),
  healthChecks: HealthChecksSettings.describe('What is looked at on a schedule.'),
  intake: Intake.prefault({}).describe('Limits of the way in.'),
  history: z
    .strictObject({
      retentionDays: z.int().min(1).max(3_650).default(30).describe('How long archived alerts are kept.'),
    })
    .prefault({})
    .describe('The archive.'),
  deliveries: z
    .strictObject({
      retentionDays: z
        .int()
        .min(1)
        .max(365)
        .default(14)
        .describe('How long what arrived is kept, byte for byte.'),
    })
    .prefault({})
    .describe('Raw deliveries.'),
  spool: z
    .strictObject({
      dir: FilePath.nullable()
        .default(null)
        .describe('Folder that takes requests with a P0 or P1 while the database is away; null: off.'),
      maxRequests: z
        .int()
        .min(1)
        .max(1_000_000)
        .default(10_000)
        .describe('Most requests in it; beyond that the answer is 503.'),
      maxMegabytes: z.int().min(1).max(1_000_000).default(512).describe('Most megabytes in it.'),
    })
    .prefault({})
    .describe('For a database that is down.'),
  canary: Canary.prefault({}).describe('Test alerts by which the service watches itself.'),
  heartbeat: Heartbeat.prefault({}).describe(
    'A sign of life to somebody outside, who raises the alarm when it stops.',
  ),
});

/** What no section can see by itself. */
export const Settings = Sections.superRefine((settings, context) => {
  const { channel } = settings.canary;
  const taken = [
    ...Object.values(settings.slack.channels),
    ...settings.slack.routes.map((route) => route.channel),
  ];
  if (channel !== null && taken.includes(channel)) {
    context.addIssue({
      code: 'custom',
      path: ['canary', 'channel'],
      message: 'a channel of its own, to which no alerts go',
    });
  }
});
export type Settings = z.output<typeof Settings>;

/** Settings that are paths: relative ones count from the settings file, those of the environment from the working folder. */
export const pathSettings = [
  'database.dataDir',
  'slack.templateFile',
  'kubernetes.kubeconfig',
  'kubernetes.caFile',
  'spool.dir',
] as const;

/**
 * The address at which people and vendors reach us, without a slash at its end.
 * @param port the port really bound, where the setting says "any"
 */
export function publicUrlOf(server: Settings['server'], port: number = server.port): string {
  if (server.publicUrl !== null) return server.publicUrl.replace(/\/+$/, '');
  // "All addresses" is nothing one can open.
  const host = ['0.0.0.0', '::', '[::]'].includes(server.host) ? 'localhost' : server.host;
  return `http://${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}`;
}
