import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { resolveExpired } from './alerts/actions.ts';
import { markStale, type StaleSource } from './alerts/stale-watch.ts';
import type { SourceName } from './alerts/alert.ts';
import { canaryCaller, canaryTenant } from './alerts/canary-alert.ts';
import { maintainPartitions } from './alerts/delivery-store.ts';
import { type WatchedSource, watchHeartbeats } from './alerts/heartbeat-watch.ts';
import { Intake } from './alerts/intake.ts';
import { isListening, noteListening } from './alerts/listening.ts';
import { createAuthenticator } from './api/auth.ts';
import { claimKey } from './api/idempotency.ts';
import { buildServer } from './api/server.ts';
import type { SpoolDoor } from './api/store-or-spool.ts';
import type { ApiServices, Readiness } from './api/services.ts';
import { createToken, listTokens } from './api/token-store.ts';
import { handleInteraction } from './chat/interaction.ts';
import { receive } from './chat/receive.ts';
import { createClusterWatch } from './cluster-watch.ts';
import type { Config } from './config/load.ts';
import { healthCheckOf } from './config/health-check-settings.ts';
import { publicUrlOf } from './config/settings.ts';
import { sourceRulesOf } from './config/source-settings.ts';
import { onceThere } from './db/await-database.ts';
import { DatabaseWatch } from './db/database-watch.ts';
import { type EmbeddedDatabase, startEmbedded } from './db/embedded.ts';
import { databaseTrouble } from './db/errors.ts';
import { Listener } from './db/listen.ts';
import { migrate } from './db/migrate.ts';
import { openPool } from './db/pool.ts';
import { forgetServed } from './db/retention.ts';
import { WorkerPresence } from './db/worker-presence.ts';
import { checkStates } from './health-checks/health-check-queries.ts';
import { HealthChecker } from './health-checks/health-checker.ts';
import { guardProvider } from './incidents/guarded-provider.ts';
import { handleProviderEvents } from './incidents/inbound.ts';
import { forgetMoments, takeMoments } from './history/measure.ts';
import { forgetUntold, noteNobodyToTell, noteOvertaken } from './history/untold.ts';
import type { IncidentPolicy } from './incidents/open.ts';
import { ProviderReturn } from './incidents/provider-return.ts';
import { reconcileIncidents } from './incidents/reconcile.ts';
import { wakeSync } from './incidents/resume.ts';
import { releaseGoneSyncClaims } from './incidents/gone-claims.ts';
import { reviewIncidents } from './incidents/review.ts';
import { releaseSyncClaims, syncIncident } from './incidents/sync.ts';
import { createAlertmanagerApiSource } from './integrations/alertmanager/api-source.ts';
import { createAlertmanagerSource } from './integrations/alertmanager/webhook-source.ts';
import { createGrafanaSource } from './integrations/grafana/grafana-source.ts';
import { createProber } from './integrations/health-checks/prober.ts';
import { createOpsgenieDoor } from './integrations/opsgenie/opsgenie-door.ts';
import { createOpsgenieHeartbeat, type OpsgenieHeartbeat } from './integrations/opsgenie/heartbeat.ts';
import { createOpsgenieProvider } from './integrations/opsgenie/provider.ts';
import { createCardRenderer } from './integrations/slack/card-renderer.ts';
import { createMessageRemover } from './integrations/slack/message-remover.ts';
import { createSlackDoor } from './integrations/slack/slack-door.ts';
import { createSlackNotifier } from './integrations/slack/slack-notifier.ts';
import { createSlackSocket } from './integrations/slack/socket-mode.ts';
import { Timetable, type TimetableEntry } from './jobs/timetable.ts';
import { forgiveOutages, type JobFailure, JobWorker, pendingJobs, releaseOrphans } from './jobs/worker.ts';
import { Breaker } from './lib/breaker.ts';
import { type Clock, systemClock } from './lib/clock.ts';
import { StopSteps } from './lib/stop-steps.ts';
import { channelNews, probeChannels } from './notify/channel-probe.ts';
import { reportDeadChannels } from './notify/channel-report.ts';
import { Dispatcher } from './notify/deliver.ts';
import { guardNotifier } from './notify/guarded-notifier.ts';
import { takeOverGoneClaims } from './notify/gone-claims.ts';
import { createOutagePaths, type OutagePaths } from './outage-paths.ts';
import { pendingNotifications, recoverStaleClaims, wakeChannel } from './notify/ledger.ts';
import { planNotifications } from './notify/plan.ts';
import { createDatabaseCheck } from './observability/database-check.ts';
import { createEvents, type DispatchEvent } from './observability/events.ts';
import { createLog, type Log } from './observability/log.ts';
import { createMetrics } from './observability/metrics.ts';
import { Health } from './observability/health.ts';
import { observeSpool } from './observability/spool-events.ts';
import { Canary } from './self-watch/canary.ts';
import { createHttpDoor } from './self-watch/canary-door.ts';
import { inTimeRatio } from './self-watch/canary-store.ts';
import { type HeartbeatTarget, OutgoingHeartbeat } from './self-watch/outgoing-heartbeat.ts';
import { queueAges } from './self-watch/queue-ages.ts';
import { createUrlHeartbeat } from './self-watch/url-heartbeat.ts';
import { canaryTrouble, queueTrouble } from './self-watch/wellness.ts';
import { OutageTeller } from './spool/outage-teller.ts';
import { Spool } from './spool/spool.ts';
import { SpoolFolder } from './spool/spool-folder.ts';
import { version } from './version.ts';

export const roles = ['api', 'worker', 'watcher'] as const;
export type AppRole = (typeof roles)[number];

export type AppOptions = {
  config: Config;
  roles?: readonly AppRole[];
  clock?: Clock;
  log?: Log;
  /** Told once, when the first admin token is made. */
  onFirstToken?: (token: string) => void;
  /** Ends a start that still waits for the database. */
  signal?: AbortSignal;
};

export type App = {
  /** Where the API listens; null without the role. */
  url: string | null;
  /** Resolves when nothing that was taken in waits to be done any more; rejects after `timeoutMs`. */
  drain(timeoutMs?: number): Promise<void>;
  /** Runs what happens by the clock once, now. */
  tick(): Promise<void>;
  stop(): Promise<void>;
};

/** Whoever stops us waits 10 s, and part of that is needed to exit. */
const stopWithinMs = 8_000;
/** Sends and jobs under way are finished if they soon end by themselves, and given up or handed back if not. */
const workEndsWithinMs = 4_500;
const closeConnectionsAfterMs = 1_500;
/** An orphaned message or job is looked for this often. */
const orphansEveryMs = 5_000;
/** A send takes 10 s at most, so the claim of a living process is younger, or renewed. */
const sendsEndWithinMs = 12_000;
/** `endsAt` and `resolve_timeout` are acted on at most 10 s late. */
const expiryEveryMs = 5_000;
const expiredPerPass = 500;
/** What is silent for hours need not be found within seconds: it looks at every open alert. */
const staleEveryMs = 60_000;
/** Incidents whose comparison with the provider is due are looked for this often, so that it is spread over time. */
const reconcileLookMs = 15_000;
/** With the breaker's own wait this is well below the ten seconds in which work goes on after an outage. */
const providerReturnMs = 3_000;
/** Whether a turn of the canary or the heartbeat has begun is looked at this often; the turns themselves are settings. */
const watchEveryMs = 1_000;

/**
 * The composition root: builds everything in one straight function, in the order
 * of dependence, and owns the order in which it stops. Long on purpose: cutting it
 * up would only pass the same dozen locals around.
 */
export async function startApp(options: AppOptions): Promise<App> {
  const { settings, secrets } = options.config;
  const clock = options.clock ?? systemClock;
  const log = options.log ?? createLog(settings.log);
  const active = new Set(options.roles ?? roles);
  const health = new Health();
  const stops = new StopSteps((step, error) => log.error({ err: error, step }, 'stopping stumbled'));
  const starting = new AbortController();
  const startSignal = AbortSignal.any([starting.signal, ...(options.signal ? [options.signal] : [])]);
  const stopAll = async (): Promise<void> => {
    health.stopping();
    starting.abort();
    await stops.run(stopWithinMs);
  };
  /** What uses the database: begun in this order, once it is there. */
  const starts: (() => void | Promise<void>)[] = [];

  try {
    let embedded: EmbeddedDatabase | null = null;
    if (secrets.databaseUrl === null) {
      embedded = await startEmbedded({
        dataDir: settings.database.dataDir,
        log: (message, fields) => log.info(fields, message),
      });
      const running = embedded;
      stops.push('embedded database', () => running.stop(), stopWithinMs);
      running.supervise((change) => {
        if (change.state === 'failed')
          log.error({ err: change.error }, 'embedded PostgreSQL does not come up');
        else log.warn({ state: change.state }, 'embedded PostgreSQL changed its state');
      });
    }
    const databaseUrl = secrets.databaseUrl ?? embedded?.url ?? '';
    let spool: Spool | null = null;
    const watch = new DatabaseWatch({
      url: databaseUrl,
      onAway: (detail) => log.error({ detail }, 'the database is away'),
      onBack: (awayMs) => log.info({ awayMs: Math.round(awayMs) }, 'the database is back'),
      onTrouble: (error) => log.error({ err: error }, 'what is done when the database is back stumbled'),
      // Before anybody else sees the database again: what comes later has to be judged later.
      beforeOpen: async (signal) => spool?.empty(signal),
    });
    const database = openPool({
      url: databaseUrl,
      size: settings.database.poolSize,
      purpose: [...active].join('+'),
      onError: (error) => {
        log.debug({ err: error }, 'a database connection broke');
        watch.suspect();
      },
      gate: watch.gate,
    });
    watch.onCut(() => database.cutAll());
    const { db, pool } = database;
    stops.push('database pool', () => database.close());
    stops.push('database watch', () => watch.stop());
    /** The watch has told that it is away: who then fails for it says nothing new. */
    const warn = (error: unknown, fields: Record<string, unknown>, message: string): void => {
      log[databaseTrouble(error) === 'unavailable' ? 'debug' : 'warn']({ err: error, ...fields }, message);
    };

    const metrics = createMetrics();
    metrics.buildInfo.set({ version, node: process.version }, 1);
    const canaryChannel = secrets.slackBotToken === null ? null : settings.canary.channel;
    if (canaryChannel === null && settings.canary.channel !== null)
      log.warn({ setting: 'canary.channel' }, 'without Slack no canary is sent');
    const events = createEvents(log, metrics, { canaryChannel });
    // Of our own test alerts, which come through the door like any other: lives as long as this process.
    const canaryToken = randomBytes(32).toString('base64url');
    const checkDatabase = createDatabaseCheck({ pool, whyAway: () => watch.check() });
    starts.push(async () => {
      await maintainPartitions(db, clock.now(), settings.deliveries.retentionDays).catch((error: unknown) =>
        log.warn({ err: error }, 'partitions could not be made; the default one takes what comes in'),
      );
      if (secrets.adminToken === null && (await listTokens(db)).every((token) => token.role !== 'admin')) {
        const token = await createToken(db, { name: 'admin', role: 'admin', tenant: '' }, clock.now());
        if (token !== null) options.onFirstToken?.(token);
      }
    });

    const intake = new Intake({
      db,
      limits: {
        queuedAlerts: settings.intake.queueLimitAlerts,
        alertsPerCommit: settings.intake.alertsPerCommit,
      },
      observe: (committed) => {
        events.deliveryCommitted(committed);
        spool?.noteCommitted(committed.request, committed.result);
      },
    });
    stops.push('intake', () => intake.stop());

    const breakers = { slack: new Breaker('slack'), opsgenie: new Breaker('opsgenie') };
    for (const breaker of Object.values(breakers)) {
      const { target } = breaker;
      metrics.circuitOpen.set({ target }, 0);
      breaker.onChange(({ open, detail }) => {
        metrics.circuitOpen.set({ target }, open ? 1 : 0);
        events.circuitChanged(target, open, detail);
        if (!open) health.ok(target);
      });
    }
    // Whether Slack is on or not: a wrong template is not found out on the day when it is switched on.
    const renderer = createCardRenderer({
      ...(settings.slack.templateFile !== null && {
        template: await readFile(settings.slack.templateFile, 'utf8'),
      }),
      onTemplateError: (error) =>
        log.error({ err: error }, 'the card template failed on a card; the built-in one was used'),
    });
    const slack =
      secrets.slackBotToken === null
        ? null
        : guardNotifier(
            createSlackNotifier({
              botToken: secrets.slackBotToken,
              apiUrl: settings.slack.apiUrl,
              renderer,
              onBlocksRefused: (refusal, alertId) => {
                metrics.cardsWithoutLayout.inc({ code: refusal.code });
                log.error({ refusal, alertId }, 'Slack refused the layout of a card');
              },
            }),
            breakers.slack,
          );
    const provider =
      secrets.opsgenieApiKey === null
        ? null
        : guardProvider(
            createOpsgenieProvider({
              apiKey: secrets.opsgenieApiKey,
              apiUrl: settings.opsgenie.apiUrl,
              mode: settings.opsgenie.mode,
              timeoutMs: settings.opsgenie.timeoutSeconds * 1_000,
              impactedServices: settings.opsgenie.impactedServices,
              ...(settings.opsgenie.webUrl === null ? {} : { webUrl: settings.opsgenie.webUrl }),
            }),
            breakers.opsgenie,
          );
    health.register('slack', slack !== null);
    health.register('opsgenie', provider !== null);
    health.register('jaeger', settings.jaeger.queryUrl !== null || settings.jaeger.uiUrl !== null);
    const appToken = slack === null ? null : secrets.slackAppToken;
    if (active.has('api')) health.register('slack-socket', appToken !== null);
    for (const name of health.off())
      log.info({ integration: name }, 'an integration without credentials is off');

    // The port may be chosen by the system, and links carry it.
    const address = { publicUrl: publicUrlOf(settings.server) };
    const alertUrl = (alertId: string): string => `${address.publicUrl}/api/v1/alerts/${alertId}`;
    const traceBase = settings.jaeger.uiUrl ?? settings.jaeger.queryUrl;
    const traceUrl = (traceId: string): string | null =>
      traceBase === null ? null : `${traceBase.replace(/\/+$/, '')}/trace/${traceId}`;
    const routing = {
      routes: settings.slack.routes,
      channels: settings.slack.channels,
      canary: canaryChannel,
    };
    const standIns = {
      channels: settings.slack.channels,
      // Our own test alerts never come where people look: their channel has no stand-in.
      standIns: {
        ...settings.slack.standIns,
        ...(canaryChannel === null ? {} : { [canaryChannel]: canaryChannel }),
      },
    };
    const incidentPolicy: IncidentPolicy = {
      autoCreate: settings.incidents.autoCreate,
      assignment: settings.incidents.assignment,
      provider:
        provider === null
          ? null
          : {
              name: provider.name,
              connectionId: provider.connectionId,
              externalKind: provider.externalKind,
            },
      alertUrl,
    };
    const rules = new Map<SourceName, ReturnType<typeof sourceRulesOf>>();
    const rulesOf = (source: SourceName): ReturnType<typeof sourceRulesOf> => {
      const known = rules.get(source) ?? sourceRulesOf(settings.sources, source);
      rules.set(source, known);
      return known;
    };

    if (settings.spool.dir !== null && active.has('api')) {
      const folder = new SpoolFolder(settings.spool.dir, {
        maxRequests: settings.spool.maxRequests,
        maxBytes: settings.spool.maxMegabytes * 1_048_576,
      });
      const { burstPerChannel, postsPerSecondPerChannel } = settings.slack.pace;
      const pace = { burst: Math.min(burstPerChannel, 20), perSecond: postsPerSecondPerChannel };
      const links = { alertUrl, traceUrl };
      const teller =
        slack === null
          ? null
          : new OutageTeller({
              notifier: slack,
              routing,
              links,
              folder,
              clock,
              pace,
              observe: (event) => events.dispatch(event),
            });
      const opened = new Spool({
        folder,
        clock,
        teller,
        notifier: slack?.name ?? 'slack',
        claim: claimKey,
        openDatabase: () => openPool({ url: databaseUrl, size: 2, purpose: 'spool' }),
        isAway: () => watch.gate() !== null,
        observe: observeSpool(log, metrics, events),
      });
      health.register('spool', true);
      try {
        await opened.open();
        spool = opened;
      } catch (error) {
        log.error({ err: error }, 'spool.dir cannot be used: nothing is spooled until the next start');
        health.failing(
          'spool',
          `spool.dir cannot be used (${(error as { code?: string }).code ?? 'unknown'})`,
        );
      }
      if (spool === opened) {
        stops.push('spool', () => opened.stop());
        const spooling = new Timetable(
          [
            { name: 'spool', everyMs: 5_000, run: (signal) => opened.tidy(signal) },
            { name: 'urgent alerts', everyMs: 30_000, run: () => opened.refresh(db) },
          ],
          (name, error) => warn(error, { entry: name }, 'a timetable entry failed and is tried again'),
        );
        starts.push(() => spooling.start());
        stops.pushEarly('spool', () => spooling.stop());
      }
    }

    let dispatcher: Dispatcher | null = null;
    let timetable: Timetable | null = null;
    if (active.has('api')) {
      // Begun before the timetable of this process, which would take our absence for the silence of others.
      const listening = async (): Promise<void> => {
        const gap = await noteListening(db);
        if (gap !== null)
          log.warn(gap, 'nobody listened for a while: what was believed then is believed for longer');
      };
      const hearing = new Timetable([{ name: 'listening', everyMs: 3_000, run: listening }], (name, error) =>
        warn(error, { entry: name }, 'a timetable entry failed and is tried again'),
      );
      starts.push(async () => {
        await listening();
        hearing.start();
      });
      stops.pushEarly('listening', () => hearing.stop());
    }
    if (active.has('worker')) {
      const presence = new WorkerPresence({
        url: databaseUrl,
        onError: (error) => warn(error, {}, "the connection of this process's presence broke"),
      });
      stops.push('worker presence', () => presence.stop());
      starts.push(() =>
        presence.start(async () => {
          const now = clock.now();
          await recoverStaleClaims(db, now, now);
          await releaseSyncClaims(db);
          await releaseOrphans(pool, 0);
        }),
      );
      // What was wished for while there was no provider, or whose job is gone, is said now.
      if (provider !== null) starts.push(async () => void (await wakeSync(db, clock.now())));

      let outagePaths: OutagePaths | null = null;
      if (slack !== null) {
        dispatcher = new Dispatcher({
          db,
          notifier: slack,
          pace: settings.slack.pace,
          links: { alertUrl, traceUrl },
          clock,
          concurrency: 10,
          standIns,
          claimedBy: presence.name,
          observe: (event) => {
            events.dispatch(event);
            if (event.kind === 'failed') health.failing('slack', `${event.code}: ${event.detail}`);
            if (['posted', 'edited', 'line', 'notice'].includes(event.kind)) health.ok('slack');
          },
        });
        const running = dispatcher;
        starts.push(() => running.start());
        stops.pushEarly('dispatcher', () => running.stop(), workEndsWithinMs);
        outagePaths = createOutagePaths({
          db,
          clock,
          settings,
          notifier: slack.name,
          provider,
          breakers,
          webhookUrl: secrets.fallbackWebhookUrl,
          links: { alertUrl, traceUrl },
          claimedBy: presence.name,
          events,
        });
        const second = outagePaths.dispatcher;
        if (second !== null) {
          starts.push(() => second.start());
          stops.pushEarly('dispatcher of the second path', () => second.stop(), workEndsWithinMs);
        }
        const listener = new Listener({
          url: databaseUrl,
          handlers: {
            [wakeChannel]: (budgets) => {
              running.wake(budgets);
              second?.wake(budgets);
            },
          },
          onError: (error) => warn(error, {}, 'the listening database connection broke'),
        });
        starts.push(() => listener.start());
        stops.push('listener', () => listener.stop());
      }

      const probing =
        slack === null
          ? null
          : {
              db,
              notifier: slack,
              standIns,
              clock,
              observe: (event: DispatchEvent) => events.dispatch(event),
            };
      const jobs = {
        pool,
        url: databaseUrl,
        concurrency: 8,
        onFailure: (failure: JobFailure) => events.jobFailed(failure),
        onTrouble: (error: unknown) => warn(error, {}, 'the job worker starts again'),
      };
      const worker = new JobWorker({
        ...jobs,
        handlers: {
          'alert.changed': async ({ alertIds }) => {
            await reviewIncidents(db, alertIds, incidentPolicy, clock.now());
            if (slack === null) {
              await noteNobodyToTell(db, alertIds, clock.now());
            } else {
              await noteOvertaken(db, alertIds, clock.now());
              await planNotifications(db, alertIds, { notifier: slack.name, routing }, clock.now());
            }
            events.measured(await takeMoments(db, alertIds, clock.now()));
          },
          'channel.news': async (news, signal) => {
            if (probing !== null) await channelNews(probing, news, signal);
          },
          'slack.interaction': async ({ eventId }, signal) => {
            if (slack === null) return;
            const observe = (action: string, userId: string, alertId: string): void =>
              events.acted(action, 'slack', userId, alertId);
            const { unlinkedUsers } = settings.slack;
            await handleInteraction(
              { db, desk: slack, clock, incidentPolicy, unlinkedUsers, observe },
              eventId,
              signal,
            );
          },
        },
      });
      // Apart from the others: a provider that hangs must not take the places of what goes to people.
      const providerWorker = new JobWorker({
        ...jobs,
        handlers: {
          'incident.sync': async ({ incidentId }, signal) => {
            if (provider === null) return;
            const observe = (
              outcome: 'confirmed' | 'failed' | 'retried',
              command: string,
              detail: string,
            ): void => {
              events.incidentCommand(provider.name, outcome, command, detail);
              if (outcome === 'confirmed') health.ok('opsgenie');
              else health.failing('opsgenie', detail);
            };
            await syncIncident(
              { db, provider, clock, observe, claimedBy: presence.name },
              incidentId,
              signal,
            );
          },
          'provider.events': async ({ subject }, signal) => {
            if (provider === null) return;
            const observe = (outcome: string, detail: string): void =>
              events.providerEvents(provider.name, outcome, detail);
            await handleProviderEvents({ db, provider, clock, observe }, subject, signal);
          },
        },
      });
      const jobWorkers = [worker, providerWorker];
      for (const one of jobWorkers) {
        starts.push(() => one.start());
        stops.pushEarly('job worker', () => one.stop(), workEndsWithinMs);
      }

      const isHeld = (): boolean => breakers.opsgenie.isOpen;
      const providerReturn = provider === null ? null : new ProviderReturn({ db, provider, clock, isHeld });
      // It may be over again before the timetable looks.
      breakers.opsgenie.onChange(({ open }) => (open ? providerReturn?.held() : undefined));
      const watched = watchedSources(settings.sources, rulesOf);
      timetable = new Timetable(
        [
          {
            name: 'expiry',
            everyMs: expiryEveryMs,
            run: async () => {
              if (!(await isListening(db))) return;
              while ((await resolveExpired(db, clock.now(), expiredPerPass)) === expiredPerPass);
            },
          },
          {
            name: 'stale alerts',
            everyMs: staleEveryMs,
            run: async () => {
              if (!(await isListening(db))) return;
              for (const source of staleSources(settings.sources))
                while ((await markStale(db, source, clock.now(), expiredPerPass)) === expiredPerPass);
            },
          },
          {
            name: 'heartbeats',
            everyMs: 5_000,
            run: async () => {
              if (await isListening(db)) await watchHeartbeats({ db, intake, clock }, watched);
            },
          },
          {
            name: 'channels',
            everyMs: 5_000,
            run: async (signal) => {
              if (probing !== null) await probeChannels(probing, signal);
            },
          },
          ...(outagePaths?.entries ?? []),
          {
            name: 'orphans',
            everyMs: orphansEveryMs,
            run: async () => {
              await releaseOrphans(pool);
              for (const one of jobWorkers) await one.releaseLost();
              await forgiveOutages(pool);
              const now = clock.now();
              const claimedBefore = new Date(now.getTime() - sendsEndWithinMs);
              await takeOverGoneClaims(db, claimedBefore, now);
              await releaseGoneSyncClaims(db, claimedBefore);
            },
          },
          ...(provider === null || providerReturn === null
            ? []
            : [
                {
                  name: 'return of the provider',
                  everyMs: providerReturnMs,
                  run: () => providerReturn.look(),
                },
                {
                  name: 'incidents compared',
                  everyMs: Math.min(reconcileLookMs, settings.incidents.reconcileSeconds * 1_000),
                  run: (signal: AbortSignal) =>
                    reconcileIncidents(
                      {
                        db,
                        provider,
                        clock,
                        everyMs: settings.incidents.reconcileSeconds * 1_000,
                        observe: (outcome, detail) => events.incidentCompared(provider.name, outcome, detail),
                      },
                      signal,
                    ),
                },
              ]),
          {
            name: 'retention',
            everyMs: 3_600_000,
            run: async () => {
              await maintainPartitions(db, clock.now(), settings.deliveries.retentionDays);
              await forgetServed(db, clock.now(), settings.deliveries.retentionDays);
              await forgetUntold(db, clock.now());
              await forgetMoments(db, clock.now());
            },
          },
        ],
        (name, error) => warn(error, { entry: name }, 'a timetable entry failed and is tried again'),
      );
      const running = timetable;
      starts.push(() => running.start());
      stops.pushEarly('timetable', () => running.stop(), workEndsWithinMs);
    }

    let healthChecker: HealthChecker | null = null;
    if (active.has('watcher')) {
      const trouble = (breaker: Breaker) => (): string | null => (breaker.isOpen ? breaker.detail : null);
      const checker = new HealthChecker({
        db,
        intake,
        clock,
        prober: createProber({
          pingDatabase: async () => void (await pool.query('SELECT 1')),
          dependencies: {
            slack: { url: slack === null ? null : settings.slack.apiUrl, trouble: trouble(breakers.slack) },
            opsgenie: {
              url: provider === null ? null : settings.opsgenie.apiUrl,
              trouble: trouble(breakers.opsgenie),
            },
            jaeger: { url: settings.jaeger.queryUrl ?? settings.jaeger.uiUrl, trouble: () => null },
          },
        }),
        checks: settings.healthChecks.map((check) =>
          healthCheckOf(check, options.config.healthCheckHeaders[check.name] ?? {}),
        ),
        rules: rulesOf('health-check'),
        observe: (look) => events.healthChecked(look),
        onTrouble: (error) => warn(error, {}, 'the health checks stumbled and go on'),
      });
      starts.push(() => checker.start());
      healthChecker = checker;
      stops.pushEarly('health checks', () => checker.stop());
    }
    const cluster = active.has('watcher')
      ? createClusterWatch({
          config: options.config,
          db,
          databaseUrl,
          intake,
          rules: rulesOf('kubernetes'),
          clock,
          health,
          log,
          metrics,
        })
      : null;
    if (cluster !== null) {
      starts.push(() => cluster.start());
      stops.pushEarly('cluster watch', () => cluster.stop());
    }

    metrics.onScrape(async () => {
      cluster?.measure();
      metrics.databaseUp.set((await checkDatabase()).state === 'away' ? 0 : 1);
      metrics.intakeQueue.set(intake.queuedAlerts);
      metrics.spoolWaiting.set(spool?.count ?? 0);
      metrics.dbPool.set({ state: 'idle' }, pool.idleCount);
      metrics.dbPool.set({ state: 'busy' }, pool.totalCount - pool.idleCount);
      metrics.dbPool.set({ state: 'waiting' }, pool.waitingCount);
      for (const job of await pendingJobs(pool)) {
        metrics.jobsPending.set({ task: job.task }, job.count);
        metrics.jobsOldest.set({ task: job.task }, job.oldestSeconds);
      }
      metrics.notificationsPending.set((await pendingNotifications(db)).count);
      const ages = await queueAges(db, clock.now());
      metrics.notificationsOldest.set(ages.notificationsOldestSeconds);
      metrics.incidentCommandsPending.set(ages.incidentCommandsPending);
      metrics.incidentCommandsOldest.set(ages.incidentCommandsOldestSeconds);
      const ratio = canaryChannel === null ? null : await inTimeRatio(db, clock.now());
      if (ratio === null) metrics.canaryInTime.reset();
      else metrics.canaryInTime.set({ window: '1h' }, ratio);
      if (slack !== null)
        metrics.channelsDead.set((await reportDeadChannels(db, slack.name, standIns)).length);
      const checks = await checkStates(db);
      metrics.healthCheckUp.reset();
      for (const { name, up } of checks) metrics.healthCheckUp.set({ check: name }, up ? 1 : 0);
    });

    let url: string | null = null;
    if (active.has('api')) {
      const chatDoor = createSlackDoor({ signingSecrets: secrets.slackSigningSecrets });
      const isAway = async (): Promise<boolean> => (await watch.check(0)) !== null;
      const services: ApiServices = {
        db,
        intake,
        spool: spool === null ? null : spoolDoor(spool, isAway),
        clock,
        log,
        metrics,
        events,
        authenticate: createAuthenticator({
          db,
          adminToken: secrets.adminToken,
          now: () => clock.now().getTime(),
          isAway,
          internal: {
            token: canaryToken,
            caller: { name: canaryCaller, role: 'source', tenant: canaryTenant },
          },
        }),
        addresses: {
          get publicUrl() {
            return address.publicUrl;
          },
          traceUrl,
        },
        rulesOf,
        // Alertmanager's webhook repeats every few hours and always tells the end; its setting is for Prometheus, which
        // repeats every minute, and the adapter of that door sees to it.
        believedSecondsOf: (source) =>
          source === 'alertmanager' ? null : settings.sources[source].resolveTimeoutSeconds,
        sources: {
          grafana: createGrafanaSource({ secrets: secrets.grafanaSecrets, ...settings.sources.grafana }),
          alertmanager: createAlertmanagerSource(),
          alertmanagerApi: createAlertmanagerApiSource({
            resolveTimeoutSeconds: settings.sources.alertmanager.resolveTimeoutSeconds ?? 300,
          }),
        },
        incidentPolicy,
        routing,
        chatDoor,
        providerDoor: createOpsgenieDoor({ webhookSecrets: secrets.opsgenieWebhookSecrets }),
        cluster: cluster?.reader ?? null,
        readiness: async (): Promise<Readiness> => {
          const state = await checkDatabase();
          const dead =
            slack === null || state.state === 'away'
              ? []
              : await reportDeadChannels(db, slack.name, standIns).catch(() => []);
          const { troubles, notes } = cluster?.report() ?? { troubles: [], notes: [] };
          const held = (breaker: Breaker): string[] =>
            breaker.isOpen ? [`calls are held back: ${breaker.detail}`] : [];
          const now = {
            slack: [...held(breakers.slack), ...dead],
            opsgenie: held(breakers.opsgenie),
            kubernetes: troubles,
          };
          return health.readiness(state, now, { kubernetes: notes });
        },
        isStopping: () => health.isStopping,
        limits: { maxBodyBytes: settings.intake.maxBodyBytes },
        deliveriesKeptDays: settings.deliveries.retentionDays,
      };
      const server = await buildServer(services, {
        trustedProxies: settings.server.trustedProxies,
        rateLimit: settings.server.rateLimit,
        requestTimeoutMs: settings.server.requestTimeoutSeconds * 1_000,
        maxConnections: settings.server.maxConnections,
        version,
      });
      await server.listen({ host: settings.server.host, port: settings.server.port });
      stops.push('http server', () => closeServer(server));
      const { port } = server.server.address() as AddressInfo;
      address.publicUrl = publicUrlOf(settings.server, port);
      url = publicUrlOf({ ...settings.server, publicUrl: null }, port);
      if (appToken !== null) {
        const socket = createSlackSocket({
          appToken,
          apiUrl: settings.slack.apiUrl,
          onEnvelope: async ({ kind, payload }) => {
            const received = await receive({ db, door: chatDoor, clock, log }, kind, { payload });
            if (received.ok) return received.answer;
            throw new Error(`unreadable ${kind}: ${received.reason}`);
          },
          onState: (change) =>
            change.state === 'ok' ? health.ok('slack-socket') : health.failing('slack-socket', change.detail),
          log,
        });
        starts.push(() => socket.start());
        stops.pushEarly('slack socket', () => socket.stop());
      }
    }
    const watched: TimetableEntry[] = [];
    // By the process that has the door.
    if (canaryChannel !== null && url !== null && secrets.slackBotToken !== null) {
      const canary = new Canary({
        db,
        clock,
        intervalMs: settings.canary.intervalSeconds * 1_000,
        door: createHttpDoor({ url, token: canaryToken }),
        messages: createMessageRemover({
          token: secrets.slackBotToken,
          apiUrl: settings.slack.apiUrl,
          timeoutMs: 10_000,
        }),
        provider,
        observe: (run) => {
          events.canary(run);
          if (run.outcome === 'ok' || run.outcome === 'late') health.ok('canary');
          else health.failing('canary', run.detail ?? run.outcome);
        },
      });
      watched.push({ name: 'canary', everyMs: watchEveryMs, run: (signal) => canary.tick(signal) });
    }
    const targets = heartbeatTargets(options.config, log);
    if (targets.length > 0) {
      const heartbeat = new OutgoingHeartbeat({
        db,
        clock,
        intervalMs: settings.heartbeat.intervalSeconds * 1_000,
        targets,
        trouble: () =>
          canaryChannel === null
            ? queueTrouble(pool)
            : canaryTrouble(db, clock.now(), settings.canary.intervalSeconds * 1_000),
        observe: (ping) => events.heartbeat(ping),
      });
      watched.push({ name: 'heartbeat', everyMs: watchEveryMs, run: (signal) => heartbeat.tick(signal) });
    }
    const watches = new Timetable(watched, (name, error) =>
      warn(error, { entry: name }, 'a timetable entry failed and is tried again'),
    );
    starts.push(() => watches.start());
    stops.pushEarly('watches', () => watches.stop());
    // The doors are open and say 503, also for long: whoever exits here only makes it later.
    const patience = {
      patienceMs: settings.database.startPatienceSeconds * 1_000,
      signal: startSignal,
      onAttempt: (error: unknown) => watch.explain(error),
      onWaiting: (reason: string) => {
        log.warn({ url, reason }, 'waiting for the database');
        spool
          ?.tellWhatIsLeft()
          .catch((error: unknown) => log.warn({ err: error }, 'the spool cannot be read'));
      },
    };
    const migrated = await onceThere(() => migrate(databaseUrl), patience);
    if (migrated.applied.length > 0) log.info({ applied: migrated.applied }, 'database migrated');
    if (migrated.newer.length > 0)
      log.warn({ newer: migrated.newer }, 'the database is newer than this version, and compatible');
    await watch.start(startSignal);
    for (const start of starts) await onceThere(async () => start(), patience);
    health.started();
    log.info({ url, roles: [...active], version }, 'gomon is ready');

    return {
      url,
      stop: stopAll,
      tick: async () => {
        await timetable?.runAll();
        await watches.runAll();
        await healthChecker?.runDue();
        await cluster?.look();
      },
      drain: async (timeoutMs = 15_000) => {
        const until = Date.now() + timeoutMs;
        for (;;) {
          const jobs = (await pendingJobs(pool)).filter((job) => job.count > 0);
          const messages = await pendingNotifications(db);
          if (jobs.length === 0 && messages.count === 0 && intake.queuedAlerts === 0) return;
          if (Date.now() > until) {
            throw new Error(`not drained after ${timeoutMs} ms: ${JSON.stringify({ jobs, messages })}`);
          }
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      },
    };
  } catch (error) {
    await stopAll();
    throw error;
  }
}

function spoolDoor(spool: Spool, isAway: () => Promise<boolean>): SpoolDoor {
  return {
    isAway,
    take: (request, idempotency) => spool.take(request, idempotency),
  };
}

/** Requests under way are answered; a connection that stays open is closed. */
async function closeServer(server: Awaited<ReturnType<typeof buildServer>>): Promise<void> {
  const timer = setTimeout(() => server.server.closeAllConnections(), closeConnectionsAfterMs);
  await server.close().finally(() => clearTimeout(timer));
}

function watchedSources(
  sources: Config['settings']['sources'],
  rulesOf: (source: SourceName) => WatchedSource['rules'],
): WatchedSource[] {
  return (Object.keys(sources) as SourceName[]).flatMap((name) => {
    const { heartbeatSeconds } = sources[name];
    return heartbeatSeconds === null ? [] : [{ name, heartbeatSeconds, rules: rulesOf(name) }];
  });
}

function staleSources(sources: Config['settings']['sources']): StaleSource[] {
  return (Object.keys(sources) as SourceName[]).flatMap((name) => {
    const { staleSeconds } = sources[name];
    return staleSeconds === null ? [] : [{ name, staleSeconds }];
  });
}

/** Who outside is told that we are well. That Opsgenie lacks the heartbeat is said here: its answer to a ping never does. */
function heartbeatTargets({ settings, secrets }: Config, log: Log): HeartbeatTarget[] {
  const targets: HeartbeatTarget[] = [];
  if (settings.heartbeat.url !== null) targets.push(createUrlHeartbeat(settings.heartbeat.url));
  const { opsgenie: name } = settings.heartbeat;
  if (name !== null && secrets.opsgenieApiKey === null)
    log.warn({ setting: 'heartbeat.opsgenie' }, 'without a key of Opsgenie its heartbeat is not pinged');
  if (name !== null && secrets.opsgenieApiKey !== null) {
    const heartbeat = createOpsgenieHeartbeat({
      apiKey: secrets.opsgenieApiKey,
      apiUrl: settings.opsgenie.apiUrl,
      timeoutMs: settings.opsgenie.timeoutSeconds * 1_000,
      heartbeat: name,
    });
    targets.push(heartbeat);
    void warnWhenMissing(heartbeat, name, log);
  }
  return targets;
}

async function warnWhenMissing(heartbeat: OpsgenieHeartbeat, name: string, log: Log): Promise<void> {
  const found = await heartbeat.exists(AbortSignal.timeout(30_000));
  if (!found.ok)
    log.info({ heartbeat: name, detail: found.detail }, 'Opsgenie could not be asked for the heartbeat');
  else if (found.exists === false)
    log.warn({ heartbeat: name }, 'Opsgenie has no such heartbeat: nobody will notice when the pings stop');
}
