import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { stopChild, tied } from './child.ts';
import { compare } from './figures.ts';
import { fill, filledAlerts, rememberFilled } from './filled.ts';
import { postgresMb, residentMb } from './memory.ts';
import type { Part } from './part.ts';
import { startService } from './service.ts';

/** So that what was only needed for the start is given back. */
const restMs = 10_000;
const samples = 5;

/**
 * (e) Resident memory of the service and of PostgreSQL apart: after the start, and
 * after 100,000 alerts came in and are active. The reference is a Node that does
 * nothing.
 */
export const memory: Part = {
  letter: 'e',
  title: `resident memory, idle and with ${filledAlerts} active alerts`,
  async measure({ stage, profileFolder }) {
    const bare = await bareNode();
    const databaseUrl = await stage.createDatabase('memory');
    const service = await startService({ name: 'memory', folder: stage.folder, databaseUrl, profileFolder });
    let idle: number[];
    let idlePostgres: number[];
    let full: number[];
    let fullPostgres: number[];
    try {
      await sleep(restMs);
      idle = await sampled(() => residentMb(service.pid));
      idlePostgres = await sampled(() => postgresMb(databaseUrl));
      await fill(service, databaseUrl);
      await sleep(restMs);
      full = await sampled(() => residentMb(service.pid));
      fullPostgres = await sampled(() => postgresMb(databaseUrl));
    } finally {
      await service.stop();
    }
    rememberFilled(stage, 'memory');
    return [
      compare('e  service, idle', 'MB', idle, { name: 'MB bare Node', values: bare }),
      compare(
        `e  service, ${filledAlerts} active`,
        'MB',
        full,
        { name: 'MB idle', values: idle },
        {
          remark: 'after it took them in itself, all roles in one process, no Slack and no Opsgenie',
        },
      ),
      compare('e  PostgreSQL, idle', 'MB', idlePostgres, null, {
        remark: 'all its processes, shared memory counted once',
      }),
      compare(`e  PostgreSQL, ${filledAlerts} active`, 'MB', fullPostgres, {
        name: 'MB idle',
        values: idlePostgres,
      }),
    ];
  },
};

async function sampled(measure: () => Promise<number>): Promise<number[]> {
  const values: number[] = [];
  for (let count = 0; count < samples; count += 1) {
    if (count > 0) await sleep(1_000);
    values.push(await measure());
  }
  return values;
}

async function bareNode(): Promise<number[]> {
  const child = tied(spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' }));
  try {
    await sleep(1_000);
    return await sampled(() => residentMb(child.pid ?? 0));
  } finally {
    await stopChild(child);
  }
}
