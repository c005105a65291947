import { type Comparison, compare } from './figures.ts';
import { openHouses } from './houses.ts';
import { postAll } from './load.ts';
import { grafanaWebhook } from './payloads.ts';
import { RawInsert } from './raw-insert.ts';
import type { Stage } from './stage.ts';

const connections = 8;
const alertsPerWebhook = 100;
const webhooksPerRound = 120;
const rounds = 5;

/** (a) Grafana webhooks of 100 new alerts each, against the database's own speed in taking such rows. */
export async function measureWebhooks(stage: Stage, profileFolder: string | null): Promise<Comparison[]> {
  const houses = await openHouses(stage, 'webhooks', profileFolder);
  try {
    const send = async (to: { url: string; headers: Record<string, string> }): Promise<number> => {
      const bodies = Array.from({ length: webhooksPerRound }, () => grafanaWebhook(alertsPerWebhook));
      const result = await postAll(`${to.url}/api/v1/webhooks/grafana`, bodies, {
        connections,
        headers: to.headers,
      });
      return result.perSecond * alertsPerWebhook;
    };
    await send(houses.intake);
    await send(houses.whole);
    await houses.settle();
    const raw = await RawInsert.open(houses.intakeUrl, connections);
    try {
      const insert = (): Promise<number> => raw.run(webhooksPerRound * alertsPerWebhook, alertsPerWebhook);
      await insert();
      const values = { intake: [] as number[], whole: [] as number[], raw: [] as number[] };
      for (let round = 0; round < rounds; round += 1) {
        values.intake.push(await send(houses.intake));
        values.raw.push(await insert());
        values.whole.push(await send(houses.whole));
        await houses.settle();
      }
      const reference = { name: 'rows/s raw', values: values.raw };
      return [
        compare('a  webhooks of 100, intake alone', 'alerts/s', values.intake, reference, {
          target: { ratioAtLeast: 0.5 },
          remark: `${connections} connections; raw: ${alertsPerWebhook} rows per INSERT and commit into a copy of alerts_active with all its indexes, ${connections} connections`,
        }),
        compare('a  webhooks of 100, whole service', 'alerts/s', values.whole, reference, {
          remark:
            'the same process also runs the jobs, Slack and Opsgenie; 1 in 100 alerts opens an incident',
        }),
      ];
    } finally {
      await raw.close();
    }
  } finally {
    await houses.close();
  }
}
