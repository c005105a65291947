import { setTimeout as sleep } from 'node:timers/promises';
import { call, post } from './call.ts';
import { type Comparison, compare } from './figures.ts';
import { residentMb } from './memory.ts';
import { paced } from './paced.ts';
import type { Part } from './part.ts';
import { grafanaAlert, grafanaGroup, grafanaResolve, type SentAlert } from './payloads.ts';
import { type Service, startService } from './service.ts';
import { startVendors } from './vendors.ts';

const alertsPerSecond = 50;
/** Half of the seconds bring one new alert, the others one that ends: Slack's pace has to bear it for ever. */
const standing = 3_000;
const sampleEveryMs = 2_000;
/** The first part of the run fills caches and compiles code. */
const warmUpShare = 0.2;

/**
 * (h) 50 alerts a second for ten minutes: a standing set that is repeated about once
 * a minute, as Prometheus does it, while alerts begin and end at a rate that Slack
 * itself could keep up with. Memory and the age of the queue are sampled; a line
 * through the samples says whether they grow.
 */
export const soak: Part = {
  letter: 'h',
  title: `${alertsPerSecond} alerts/s for --minutes (10 by default): memory and queue age`,
  async measure({ stage, profileFolder, soakMinutes }) {
    const channels = Array.from({ length: 20 }, (_, number) => `route-${number}`);
    const vendors = await startVendors(channels);
    try {
      const service = await startService({
        name: 'soak',
        folder: stage.folder,
        databaseUrl: await stage.createDatabase('soak'),
        vendors,
        settings: {
          slack: { routes: channels.map((name) => ({ labels: { route: name }, channel: `#${name}` })) },
        },
        profileFolder,
      });
      try {
        return await run(service, channels, soakMinutes);
      } finally {
        await service.stop();
      }
    } finally {
      await vendors.stop();
    }
  },
};

async function run(service: Service, channels: string[], minutes: number): Promise<Comparison[]> {
  const url = `${service.url}/api/v1/webhooks/grafana`;
  const count = Math.round(minutes * 60);
  const muted = Array.from({ length: standing }, (_, number) =>
    // The standing set is of the kind that is stored and not told: 3,000 cards would only measure Slack's pace.
    grafanaAlert({ severity: 'none', route: channels[number % channels.length] ?? '' }),
  );
  const told: SentAlert[] = [];
  const answerMs: number[] = [];
  let next = 0;
  const samples: Sample[] = [];
  const startedAt = performance.now();
  const sampling = new AbortController();
  const sampler = takeSamples(service, startedAt, samples, sampling.signal);
  try {
    await paced(count, 1, async (second) => {
      const repeated = Array.from({ length: alertsPerSecond - 1 }, () => muted[(next += 1) % standing]);
      const group = repeated.filter((alert) => alert !== undefined);
      const ending = second % 2 === 1 ? told.shift() : undefined;
      if (ending === undefined) {
        const fresh = grafanaAlert({ severity: 'warning', route: channels[second % channels.length] ?? '' });
        told.push(fresh);
        group.push(fresh);
      } else {
        group.push(grafanaResolve(ending));
      }
      // Five groups a second, as several rules would send them.
      const parts = Array.from({ length: 5 }, (_, part) => group.filter((__, index) => index % 5 === part));
      const took = await Promise.all(
        parts.map(async (alerts, part) => {
          await sleep(part * 200);
          return post(url, grafanaGroup(alerts), service.headers);
        }),
      );
      answerMs.push(...took);
    });
  } finally {
    sampling.abort();
    await sampler;
  }
  return summed(samples, answerMs, minutes);
}

type Sample = {
  minute: number;
  memoryMb: number;
  queueSeconds: number;
  intakeQueued: number;
  waitingMessages: number;
};

async function takeSamples(
  service: Service,
  startedAt: number,
  samples: Sample[],
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const [memoryMb, metrics] = await Promise.all([
      residentMb(service.pid),
      call('GET', `${service.url}/metrics`, {}),
    ]);
    const greatest = (name: string): number =>
      Math.max(
        0,
        ...[...metrics.text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))].map((match) =>
          Number(match[1]),
        ),
      );
    samples.push({
      minute: (performance.now() - startedAt) / 60_000,
      memoryMb,
      queueSeconds: greatest('gomon_jobs_oldest_seconds'),
      intakeQueued: greatest('gomon_intake_queued_alerts'),
      waitingMessages: greatest('gomon_notifications_pending'),
    });
    await sleep(sampleEveryMs, undefined, { signal }).catch(() => undefined);
  }
}

function summed(samples: Sample[], answerMs: number[], minutes: number): Comparison[] {
  const counted = samples.slice(Math.floor(samples.length * warmUpShare));
  const of = (value: (sample: Sample) => number): number[] => counted.map(value);
  const growth = (value: (sample: Sample) => number): number =>
    slope(counted.map((sample) => [sample.minute, value(sample)]));
  const memory = of((sample) => sample.memoryMb);
  const median = compare('', '', memory, null).value.p50;
  const grown = growth((sample) => sample.memoryMb);
  return [
    compare('h  memory of the service', 'MB', memory, null),
    compare('h  its growth', 'MB/min', [grown], null, {
      // One part in a hundred a minute is what a heap breathes.
      target: { valueAtMost: Math.round(median) / 100 },
      remark: `over ${(minutes * (1 - warmUpShare)).toFixed(1)} minutes: ${flatness(grown * minutes * (1 - warmUpShare), median)}`,
    }),
    compare(
      'h  age of the oldest job',
      's',
      of((sample) => sample.queueSeconds),
      null,
      {
        target: { valueAtMost: 1 },
      },
    ),
    compare('h  its growth', 's/min', [growth((sample) => sample.queueSeconds)], null, {
      target: { valueAtMost: 0.05 },
    }),
    compare(
      'h  alerts waiting for a commit',
      '',
      of((sample) => sample.intakeQueued),
      null,
    ),
    compare(
      'h  messages waiting for Slack',
      '',
      of((sample) => sample.waitingMessages),
      null,
    ),
    compare('h  answer', 'ms', answerMs, null),
  ];
}

function flatness(change: number, median: number): string {
  const share = Math.abs(change) / median;
  return `${change.toFixed(1)} MB in all, ${share <= 0.1 ? 'flat' : 'NOT flat'} (a tenth of the median is allowed)`;
}

/** Of the straight line that fits best. */
function slope(points: [x: number, y: number][]): number {
  const mean = (values: number[]): number => values.reduce((sum, one) => sum + one, 0) / values.length;
  const meanX = mean(points.map(([x]) => x));
  const meanY = mean(points.map(([, y]) => y));
  const above = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  const below = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  return below === 0 ? 0 : above / below;
}
