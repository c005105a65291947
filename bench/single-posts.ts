import { startAlertmanager } from './alertmanager.ts';
import { type Comparison, compare } from './figures.ts';
import { openHouses } from './houses.ts';
import { postAll } from './load.ts';
import { prometheusPost } from './payloads.ts';
import { RawInsert } from './raw-insert.ts';
import type { Stage } from './stage.ts';

const connections = 64;
const postsPerRound = 64 * 50;
/** Of the reference that commits each row by itself. */
const commitsPerRound = 64 * 15;
const rounds = 5;

/**
 * (b) One new alert per request to `/api/v2/alerts`, over 64 keep-alive
 * connections, against an Alertmanager that takes the same requests into memory.
 */
export async function measureSinglePosts(
  stage: Stage,
  alertmanagerBinary: string | null,
  profileFolder: string | null,
): Promise<Comparison[]> {
  const houses = await openHouses(stage, 'posts', profileFolder);
  const alertmanager =
    alertmanagerBinary === null ? null : await startAlertmanager(alertmanagerBinary, stage.folder);
  const requestMs: number[] = [];
  try {
    const send = async (to: { url: string; headers?: Record<string, string> }): Promise<number> => {
      const bodies = Array.from({ length: postsPerRound }, prometheusPost);
      const result = await postAll(`${to.url}/api/v2/alerts`, bodies, { connections, ...to });
      if (to === houses.intake) requestMs.push(result.latencyMs.p50);
      return result.perSecond;
    };
    await send(houses.intake);
    await send(houses.whole);
    await houses.settle();
    if (alertmanager !== null) await send(alertmanager);
    const raw = await RawInsert.open(houses.intakeUrl, connections);
    try {
      await raw.run(commitsPerRound, 1);
      requestMs.length = 0;
      const values = {
        intake: [] as number[],
        whole: [] as number[],
        alone: [] as number[],
        memory: [] as number[],
      };
      for (let round = 0; round < rounds; round += 1) {
        values.intake.push(await send(houses.intake));
        if (alertmanager !== null) values.memory.push(await send(alertmanager));
        values.whole.push(await send(houses.whole));
        await houses.settle();
        values.alone.push(await raw.run(commitsPerRound, 1));
      }
      const memory =
        alertmanager === null ? null : { name: 'requests/s Alertmanager, in memory', values: values.memory };
      const target = memory === null ? null : { ratioAtLeast: 0.5 };
      const remark =
        memory === null
          ? 'no reference: set ALERTMANAGER_BIN to an Alertmanager (Debian: prometheus-alertmanager)'
          : 'generator, service and PostgreSQL share the cores of this machine; Alertmanager shares them with the generator only and keeps nothing';
      return [
        compare('b  single posts, intake alone', 'requests/s', values.intake, memory, { target, remark }),
        compare('b  single posts, whole service', 'requests/s', values.whole, memory),
        compare(
          'b  single posts, intake alone',
          'requests/s',
          values.intake,
          { name: 'rows/s raw, a commit each', values: values.alone },
          {
            remark: `${connections} connections; the rows alone: no HTTP, no parsing, no audit log, no raw delivery, no jobs`,
          },
        ),
        compare('b  median answer, intake alone', 'ms', requestMs, null),
      ];
    } finally {
      await raw.close();
    }
  } finally {
    await alertmanager?.stop();
    await houses.close();
  }
}
