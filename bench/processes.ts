import pg from 'pg';
import { compare } from './figures.ts';
import { settle } from './houses.ts';
import { postAll } from './load.ts';
import type { Part, Setting } from './part.ts';
import { grafanaWebhook, prometheusPost } from './payloads.ts';
import { type Service, startService } from './service.ts';
import { startVendors } from './vendors.ts';

const counts = [1, 3] as const;
const rounds = 3;
const connections = 24;
const posts = connections * 100;
const webhooks = connections * 4;
const alertsPerWebhook = 100;

/**
 * (g) One process against three on the same PostgreSQL, the load spread evenly over
 * them: taking in alone, and the whole service until nothing waits to be done. On a
 * machine with fewer cores than processes it says what sharing costs, not what
 * another machine would bring.
 */
export const processes: Part = {
  letter: 'g',
  title: 'one process against three on the same PostgreSQL',
  async measure(setting) {
    const intake = await both(setting, 'api');
    const whole = await both(setting, 'api,worker,watcher');
    const remark = 'ratio: three over one; generator, processes and PostgreSQL share the cores';
    const pair = (name: string, unit: string, [one, three]: number[][]) =>
      compare(name, unit, three ?? [], { name: `${unit} one process`, values: one ?? [] }, { remark });
    return [
      pair('g  single posts, intake alone, 3 processes', 'requests/s', intake.posts),
      pair('g  webhooks of 100, intake alone, 3 processes', 'alerts/s', intake.webhooks),
      pair('g  single posts, whole service until done, 3 processes', 'alerts/s', whole.posts),
      pair('g  webhooks of 100, whole service until done, 3 processes', 'alerts/s', whole.webhooks),
    ];
  },
};

/** By number of processes, a value per round; the rounds of both alternate. */
type Found = { posts: number[][]; webhooks: number[][] };

async function both(setting: Setting, roles: string): Promise<Found> {
  const found: Found = { posts: counts.map(() => []), webhooks: counts.map(() => []) };
  const fleets: Fleet[] = [];
  try {
    for (const count of counts) fleets.push(await openFleet(setting, roles, count));
    // The first round warms up.
    for (let round = 0; round <= rounds; round += 1) {
      for (const [index, fleet] of fleets.entries()) {
        const posted = await fleet.send('/api/v2/alerts', Array.from({ length: posts }, prometheusPost));
        const bodies = Array.from({ length: webhooks }, () => grafanaWebhook(alertsPerWebhook));
        const sent = (await fleet.send('/api/v1/webhooks/grafana', bodies)) * alertsPerWebhook;
        if (round === 0) continue;
        found.posts[index]?.push(posted);
        found.webhooks[index]?.push(sent);
      }
    }
    return found;
  } finally {
    for (const fleet of fleets) await fleet.close();
  }
}

type Fleet = {
  /** Requests per second until all are answered and, with workers, until what follows from them is done. */
  send(path: string, bodies: Buffer[]): Promise<number>;
  close(): Promise<void>;
};

async function openFleet({ stage, profileFolder }: Setting, roles: string, count: number): Promise<Fleet> {
  const isWhole = roles.includes('worker');
  const name = `fleet_${isWhole ? 'whole' : 'intake'}_${count}`;
  const closing: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const end of closing.splice(0).toReversed()) await end();
  };
  try {
    const databaseUrl = await stage.createDatabase(name);
    const vendors = isWhole ? await startVendors([]) : undefined;
    if (vendors !== undefined) closing.push(() => vendors.stop());
    const services: Service[] = [];
    for (let number = 0; number < count; number += 1) {
      const service = await startService({
        name: `${name}-${number}`,
        folder: stage.folder,
        databaseUrl,
        roles,
        ...(vendors === undefined ? {} : { vendors }),
        profileFolder,
      });
      closing.push(() => service.stop());
      services.push(service);
    }
    const reader = new pg.Pool({ connectionString: databaseUrl, max: 1, application_name: 'gomon bench' });
    closing.push(() => reader.end());
    const send = async (path: string, bodies: Buffer[]): Promise<number> => {
      const startedAt = performance.now();
      await Promise.all(
        services.map((service, number) =>
          postAll(
            `${service.url}${path}`,
            bodies.filter((_, index) => index % count === number),
            { connections: connections / count, headers: service.headers },
          ),
        ),
      );
      if (isWhole) await settle(reader);
      return bodies.length / ((performance.now() - startedAt) / 1_000);
    };
    return { send, close };
  } catch (error) {
    await close();
    throw error;
  }
}
