import { setTimeout as sleep } from 'node:timers/promises';
import { post } from './call.ts';
import { type Comparison, compare } from './figures.ts';
import { paced } from './paced.ts';
import { grafanaWebhook } from './payloads.ts';
import { type Service, startService } from './service.ts';
import type { Stage } from './stage.ts';
import { type AcceptedPost, epochMs, startVendors, type Vendors } from './vendors.ts';

const channelCount = 20;
const alertsPerSecond = 10;
const seconds = 30;
/** Alerts before the first that counts: code is compiled and connections are opened by then. */
const warmUpAlerts = 50;
const acceptWithinMs = 20_000;

/**
 * (c) From the POST of an alert to the moment Slack has its message, at a steady
 * pace over 20 channels. Halfway between two alerts the generator posts an equal
 * message to the same Slack by itself: less is not possible.
 */
export async function measureLatency(stage: Stage, profileFolder: string | null): Promise<Comparison[]> {
  const channels = Array.from({ length: channelCount }, (_, number) => `route-${number}`);
  const direct = Array.from({ length: channelCount }, (_, number) => `direct-${number}`);
  const vendors = await startVendors([...channels, ...direct]);
  try {
    const service = await startService({
      name: 'latency',
      folder: stage.folder,
      databaseUrl: await stage.createDatabase('latency'),
      vendors,
      settings: {
        slack: {
          routes: channels.map((name) => ({ labels: { route: name }, channel: `#${name}` })),
        },
      },
      profileFolder,
    });
    try {
      return await measure(service, vendors, channels, direct);
    } finally {
      await service.stop();
    }
  } finally {
    await vendors.stop();
  }
}

async function measure(
  service: Service,
  vendors: Vendors,
  channels: string[],
  direct: string[],
): Promise<Comparison[]> {
  const sentAt = new Map<string, number>();
  const toService = async (number: number): Promise<void> => {
    const mark = `marked-${number}-end`;
    const body = grafanaWebhook(1, { route: channels[number % channels.length] ?? '', pod: mark });
    sentAt.set(mark, epochMs());
    await post(`${service.url}/api/v1/webhooks/grafana`, body, service.headers);
  };
  await paced(warmUpAlerts, alertsPerSecond, toService);
  const [sample] = await acceptedOf(vendors, sentAt);
  if (sample === undefined) throw new Error('Slack has accepted nothing');
  sentAt.clear();

  const directMs: number[] = [];
  const toSlack = async (number: number): Promise<void> => {
    const body = { channel: direct[number % direct.length], text: sample.text, blocks: sample.blocks };
    const startedAt = performance.now();
    await post(`${vendors.slackApiUrl}chat.postMessage`, Buffer.from(JSON.stringify(body)), {
      authorization: `Bearer ${vendors.slackBotToken}`,
    });
    directMs.push(performance.now() - startedAt);
  };
  await Promise.all([
    paced(alertsPerSecond * seconds, alertsPerSecond, (number) => toService(warmUpAlerts + number)),
    sleep(500 / alertsPerSecond).then(() => paced(alertsPerSecond * seconds, alertsPerSecond, toSlack)),
  ]);
  const accepted = await acceptedOf(vendors, sentAt);
  const latenciesMs = accepted.flatMap((message) => {
    const start = sentAt.get(markIn(message) ?? '');
    return start === undefined ? [] : [message.at - start];
  });
  return latencyFigures(latenciesMs, directMs);
}

function latencyFigures(latenciesMs: number[], directMs: number[]): Comparison[] {
  const all = compare('', 'ms', latenciesMs, { name: '', values: directMs });
  const at = (quantile: 'p50' | 'p99', atMost: number, remark?: string): Comparison => ({
    ...compare(
      `c  POST to Slack, ${quantile}`,
      'ms',
      [all.value[quantile]],
      { name: 'ms bare chat.postMessage', values: [all.reference?.value[quantile] ?? Number.NaN] },
      { target: { valueAtMost: atMost }, ...(remark === undefined ? {} : { remark }) },
    ),
  });
  return [
    at(
      'p50',
      50,
      `${latenciesMs.length} alerts, ${alertsPerSecond}/s over ${channelCount} channels, each accepted once`,
    ),
    at('p99', 250, `longest ${all.value.max.toFixed(1)} ms`),
  ];
}

function markIn(message: AcceptedPost): string | null {
  return /marked-\d+-end/.exec(message.text)?.[0] ?? null;
}

/** The message of every alert that was sent; more or fewer than one each is an error. */
async function acceptedOf(vendors: Vendors, sentAt: Map<string, number>): Promise<AcceptedPost[]> {
  const until = performance.now() + acceptWithinMs;
  for (;;) {
    const all = await vendors.accepted();
    const ours = all.filter(
      (message) => !message.channel.startsWith('direct-') && sentAt.has(markIn(message) ?? ''),
    );
    if (ours.length > sentAt.size) throw new Error(`${ours.length} messages for ${sentAt.size} alerts`);
    if (ours.length === sentAt.size) return ours;
    if (performance.now() > until)
      throw new Error(
        `Slack has ${ours.length} messages of ${sentAt.size} alerts after ${acceptWithinMs} ms`,
      );
    await sleep(200);
  }
}
