import { call } from './call.ts';
import { compare, type Comparison, spreadOf } from './figures.ts';
import { filledAlerts, filledDatabase } from './filled.ts';
import type { Part } from './part.ts';
import { type Service, startService } from './service.ts';

const clients = 4;
const callsPerClient = 100;
const atMostMs = 50;

/** `number` counts the calls of one kind, so that each asks for something else. */
type Kind = { name: string; method?: 'PUT'; path: (number: number) => string };

const kinds = (pages: string[], ids: string[]): Kind[] => [
  { name: 'list, newest', path: () => '/api/v1/alerts' },
  { name: 'list, 200 at once', path: () => '/api/v1/alerts?limit=200' },
  { name: 'list, by severity', path: () => '/api/v1/alerts?sort=severity' },
  { name: 'list, by update', path: () => '/api/v1/alerts?sort=updatedAt' },
  {
    name: 'list, a page far down',
    path: (number) => `/api/v1/alerts?cursor=${pages[number % pages.length]}`,
  },
  { name: 'filter, a label', path: (number) => `/api/v1/alerts?label.team=team-${number % 12}` },
  {
    name: 'filter, a rare label',
    path: (number) => `/api/v1/alerts?label.instance=10.${number % 250}.3.17:9100`,
  },
  {
    name: 'filter, status and severity',
    path: (number) => `/api/v1/alerts?status=firing,escalated&severity=${number % 2 === 0 ? 'P1' : 'P3,P4'}`,
  },
  {
    name: 'filter, none such',
    path: () => '/api/v1/alerts?status=escalated&severity=P0',
  },
  {
    name: 'filter, namespace',
    path: (number) => `/api/v1/alerts?namespace=${['shop', 'payments', 'identity'][number % 3]}`,
  },
  { name: 'search, a common word', path: () => '/api/v1/alerts?q=latency' },
  {
    name: 'search, a rare word',
    path: (number) => `/api/v1/alerts?q=worker-${(number * 7_919_000).toString(36)}`,
  },
  { name: 'search, two letters', path: () => '/api/v1/alerts?q=zq' },
  { name: 'search and filter', path: () => '/api/v1/alerts?q=certificate&severity=P1&sort=severity' },
  { name: 'one alert', path: (number) => `/api/v1/alerts/${ids[number % ids.length]}` },
  {
    name: 'acknowledge',
    method: 'PUT',
    path: (number) => `/api/v1/alerts/${ids[number % ids.length]}/acknowledge`,
  },
];

/**
 * (f) What people do, over HTTP, while 100,000 alerts are active: four at once,
 * each asking again when answered. The reference is `/healthz`, which is all HTTP
 * and nothing else.
 */
export const reading: Part = {
  letter: 'f',
  title: `list, filter and acknowledge among ${filledAlerts} active alerts`,
  async measure({ stage, profileFolder }) {
    const databaseUrl = await filledDatabase(stage, 'reading');
    const service = await startService({
      name: 'reading',
      folder: stage.folder,
      databaseUrl,
      // People do not ask as fast as this; what is measured is the answer, not the limit.
      settings: { server: { rateLimit: { requestsPerSecond: 100_000, burst: 1_000_000 } } },
      profileFolder,
    });
    try {
      const { pages, ids } = await findSubjects(service);
      const bare = await measureKind(service, { name: 'bare', path: () => '/healthz' });
      const comparisons: Comparison[] = [];
      for (const kind of kinds(pages, ids)) {
        const took = await measureKind(service, kind);
        comparisons.push(
          compare(
            `f  ${kind.name}, p99`,
            'ms',
            [took.p99],
            { name: 'ms /healthz', values: [bare.p99] },
            { target: { valueAtMost: atMostMs }, remark: `median ${took.p50.toFixed(1)} ms` },
          ),
        );
      }
      return comparisons;
    } finally {
      await service.stop();
    }
  },
};

/** Cursors on the way down the list, and alerts of many pages to look at and acknowledge. */
async function findSubjects(service: Service): Promise<{ pages: string[]; ids: string[] }> {
  const pages: string[] = [];
  const ids: string[] = [];
  let cursor = '';
  for (let page = 0; page < 20; page += 1) {
    const { text } = await call('GET', `${service.url}/api/v1/alerts?limit=200${cursor}`, service.headers);
    const { items, nextCursor } = JSON.parse(text) as { items: { id: string }[]; nextCursor: string | null };
    ids.push(...items.map(({ id }) => id));
    if (nextCursor === null) break;
    pages.push(nextCursor);
    cursor = `&cursor=${nextCursor}`;
  }
  return { pages, ids };
}

async function measureKind(service: Service, kind: Kind): Promise<ReturnType<typeof spreadOf>> {
  const tookMs: number[] = [];
  let number = 0;
  const ask = async (): Promise<number> => {
    const path = kind.path((number += 1));
    const answer = await call(kind.method ?? 'GET', `${service.url}${path}`, service.headers);
    if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}: ${answer.text}`);
    return answer.tookMs;
  };
  // Plans are made and pages are read by the first ones.
  for (let count = 0; count < 2 * clients; count += 1) await ask();
  await Promise.all(
    Array.from({ length: clients }, async () => {
      for (let count = 0; count < callsPerClient; count += 1) tookMs.push(await ask());
    }),
  );
  return spreadOf(tookMs);
}
