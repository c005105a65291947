import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { call, post } from './call.ts';
import { compare, spreadOf } from './figures.ts';
import { paced } from './paced.ts';
import type { Part, Setting } from './part.ts';
import { grafanaWebhook } from './payloads.ts';
import { type Service, startService } from './service.ts';
import { epochMs, startVendors, type Vendors } from './vendors.ts';

const alerts = 5_000;
const alertsPerRequest = 20;
const requests = alerts / alertsPerRequest;
const rounds = 3;
const tellWithinMs = 60_000;

/**
 * (d) 5,000 new alerts within one second, as groups of 20, sent at their time
 * whatever the answers take; then a P0. All have to be stored, and the P0 has to be
 * in Slack within 2 s while Slack allows one post a second and channel. The
 * reference is a P0 to the same service before the storm.
 */
export const storm: Part = {
  letter: 'd',
  title: `${alerts} alerts in one second, then a P0`,
  async measure(setting) {
    const found: Round[] = [];
    for (let round = 0; round < rounds; round += 1) found.push(await oneRound(setting, round));
    const values = (of: (round: Round) => number): number[] => found.map(of);
    return [
      compare(
        'd  alerts not stored',
        'of 5000',
        values((round) => round.missing),
        null,
        {
          target: { valueAtMost: 0 },
          remark: `counted in the database; ${requests} requests of ${alertsPerRequest} sent within one second`,
        },
      ),
      compare(
        'd  answer in the storm, p50',
        'ms',
        values((round) => round.answerMs.p50),
        null,
      ),
      compare(
        'd  answer in the storm, p99',
        'ms',
        values((round) => round.answerMs.p99),
        null,
        {
          remark: `longest ${Math.max(...values((round) => round.answerMs.max)).toFixed(0)} ms; refused with 503 and sent again: ${values((round) => round.refused).join(', ')}`,
        },
      ),
      compare(
        'd  P0 after it, POST to Slack',
        'ms',
        values((round) => round.urgentMs),
        { name: 'ms P0 before it', values: values((round) => round.calmMs) },
        { target: { valueAtMost: 2_000 } },
      ),
    ];
  },
};

type Round = {
  missing: number;
  answerMs: ReturnType<typeof spreadOf>;
  refused: number;
  urgentMs: number;
  calmMs: number;
};

async function oneRound({ stage, profileFolder }: Setting, round: number): Promise<Round> {
  const databaseUrl = await stage.createDatabase(`storm_${round}`);
  const vendors = await startVendors([]);
  try {
    const service = await startService({
      name: `storm-${round}`,
      folder: stage.folder,
      databaseUrl,
      vendors,
      profileFolder,
    });
    try {
      return await blow(service, vendors, databaseUrl, round);
    } finally {
      await service.stop();
    }
  } finally {
    await vendors.stop();
  }
}

async function blow(service: Service, vendors: Vendors, databaseUrl: string, round: number): Promise<Round> {
  const url = `${service.url}/api/v1/webhooks/grafana`;
  // Code is compiled and connections are opened by the first ones.
  for (let count = 0; count < 3; count += 1) await tellUrgent(service, vendors, `warm-${round}-${count}`);
  const calmMs = await tellUrgent(service, vendors, `calm-${round}`);
  const before = await stored(databaseUrl);
  const bodies = Array.from({ length: requests }, () => grafanaWebhook(alertsPerRequest));
  const answerMs: number[] = [];
  let refused = 0;
  const startedAt = performance.now();
  const sending = paced(requests, requests, async (number) => {
    const startOfThis = performance.now();
    // Refused is not stored, and senders come again: that counts into the time.
    for (;;) {
      const { status, text } = await call('POST', url, service.headers, bodies[number]);
      if (status < 300) break;
      if (status !== 503) throw new Error(`${url} answered ${status}: ${text}`);
      refused += 1;
      await sleep(1_000);
    }
    answerMs.push(performance.now() - startOfThis);
  });
  const restMs = 1_000 - (performance.now() - startedAt);
  await sleep(Math.max(0, restMs));
  const urgentMs = await tellUrgent(service, vendors, `storm-${round}`);
  await sending;
  const missing = alerts + 1 - ((await stored(databaseUrl)) - before);
  return { missing, answerMs: spreadOf(answerMs), refused, urgentMs, calmMs };
}

/** From the POST of a P0 to the moment Slack took its card. */
async function tellUrgent(service: Service, vendors: Vendors, mark: string): Promise<number> {
  const pod = `urgent-${mark}-end`;
  const body = grafanaWebhook(1, { pod, severity: 'emergency' });
  const sentAt = epochMs();
  await post(`${service.url}/api/v1/webhooks/grafana`, body, service.headers);
  const until = performance.now() + tellWithinMs;
  for (;;) {
    const card = (await vendors.accepted()).find(({ text }) => text.includes(pod));
    if (card !== undefined) return card.at - sentAt;
    if (performance.now() > until) throw new Error(`Slack has no card of ${pod} after ${tellWithinMs} ms`);
    await sleep(50);
  }
}

async function stored(databaseUrl: string): Promise<number> {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    const { rows } = await client.query<{ count: number }>(
      'SELECT count(*)::int AS count FROM alerts_active',
    );
    return rows[0]?.count ?? 0;
  } finally {
    await client.end();
  }
}
