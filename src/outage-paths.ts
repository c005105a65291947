import type { Settings } from './config/settings.ts';
import type { Db } from './db/pool.ts';
import type { IncidentProvider } from './incidents/provider.ts';
import { createWebhookNotifier } from './integrations/webhook/webhook-notifier.ts';
import type { TimetableEntry } from './jobs/timetable.ts';
import type { Breaker } from './lib/breaker.ts';
import type { Clock } from './lib/clock.ts';
import type { CardLinks } from './notify/card.ts';
import { Dispatcher } from './notify/deliver.ts';
import { planFallback } from './notify/fallback.ts';
import { OutageNotices } from './notify/outage-notices.ts';
import { planUnopenedIncidentLines } from './notify/unopened-incidents.ts';
import type { Events } from './observability/events.ts';

/**
 * What is done for people while Slack or the incident provider is down: built here,
 * as part of the composition root, because it joins all of them.
 */
export type OutagePathsOptions = {
  db: Db;
  clock: Clock;
  settings: Settings;
  /** The name of the first notifier. */
  notifier: string;
  provider: IncidentProvider | null;
  breakers: { slack: Breaker; opsgenie: Breaker };
  /** Null: there is no second path. */
  webhookUrl: string | null;
  links: CardLinks;
  claimedBy: string;
  events: Events;
};

export type OutagePaths = {
  /** Sends what goes the second path; null when there is none. */
  dispatcher: Dispatcher | null;
  entries: TimetableEntry[];
};

const everyMs = 5_000;

/** A receiver of our own has no pace of Slack's; what goes there is little. */
const webhookPace = {
  burstPerChannel: 50,
  postsPerSecondPerChannel: 10,
  editBurst: 50,
  editsPerMinute: 600,
};

export function createOutagePaths(options: OutagePathsOptions): OutagePaths {
  const { db, clock, settings, notifier, provider, breakers, webhookUrl } = options;
  const afterMs = settings.fallback.afterSeconds * 1_000;
  const notices = new OutageNotices({
    db,
    clock,
    notifier,
    channel: settings.slack.channels.critical,
    meanings: {
      slack: { name: 'Slack', meanwhile: 'What came meanwhile was sent late.' },
      opsgenie: {
        name: 'Opsgenie',
        meanwhile:
          'Nobody is paged there; incidents are opened as soon as it is back. P0 and P1 are told here.',
      },
    },
  });
  const entries: TimetableEntry[] = [
    {
      name: 'notices of outages',
      everyMs,
      run: () => notices.look(provider === null ? [breakers.slack] : [breakers.slack, breakers.opsgenie]),
    },
  ];
  if (provider !== null) {
    const told = { notifier, providerName: 'Opsgenie', afterMs };
    entries.push({
      name: 'incidents not opened',
      everyMs,
      run: async () =>
        void (await planUnopenedIncidentLines(db, told, breakers.opsgenie.isOpen, clock.now())),
    });
  }
  if (webhookUrl === null) return { dispatcher: null, entries };
  const webhook = createWebhookNotifier({ url: webhookUrl });
  const path = { from: notifier, to: webhook.name, afterMs };
  entries.push({
    name: 'second path',
    everyMs,
    run: async () => void (await planFallback(db, path, breakers.slack.isOpen, clock.now())),
  });
  return { dispatcher: dispatcherOf(options, webhook), entries };
}

function dispatcherOf(
  { db, clock, links, claimedBy, events }: OutagePathsOptions,
  webhook: ReturnType<typeof createWebhookNotifier>,
): Dispatcher {
  return new Dispatcher({
    db,
    notifier: webhook,
    pace: webhookPace,
    links,
    clock,
    concurrency: 4,
    claimedBy,
    // How long the first path took is measured there.
    observe: (event) =>
      event.kind === 'posted' ? events.carried(webhook.name, event.severity) : events.dispatch(event),
  });
}
