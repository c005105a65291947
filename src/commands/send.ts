import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { type Command, Option } from 'commander';
import { publicUrlOf } from '../config/settings.ts';
import { callJson } from '../lib/http.ts';
import { configuration } from './configuration.ts';

const doors = {
  alerts: '/api/v1/alerts',
  grafana: '/api/v1/webhooks/grafana',
  alertmanager: '/api/v1/webhooks/alertmanager',
  prometheus: '/api/v2/alerts',
} as const;

type Door = keyof typeof doors;

export function addSendCommand(program: Command): void {
  program
    .command('send')
    .argument('<file>', 'JSON file; - for standard input')
    .description('post an alert payload to a running service')
    .option('--url <url>', 'the service (default: as configured)')
    .option('--token <token>', 'API token (default: GOMON_ADMIN_TOKEN)')
    .addOption(
      new Option('--door <door>', 'where to (default: guessed from the payload)').choices(Object.keys(doors)),
    )
    .option('-c, --config <file>', 'settings file')
    .action(async (file: string, options: { url?: string; token?: string; door?: Door; config?: string }) => {
      const config = await configuration(options.config);
      const token = options.token ?? config.secrets.adminToken;
      if (token === null) {
        throw new Error(
          'a token is needed: --token or GOMON_ADMIN_TOKEN (gomon token create --name try-out --role source makes one)',
        );
      }
      const payload = parse(await readInput(file), file);
      const door = options.door ?? guessDoor(payload);
      const answer = await callJson(
        {
          method: 'POST',
          url: `${options.url ?? publicUrlOf(config.settings.server)}${doors[door]}`,
          headers: { authorization: `Bearer ${token}` },
          json: payload,
        },
        { timeoutMs: 30_000, maxBodyBytes: 1_048_576 },
        AbortSignal.timeout(30_000),
      );
      if (!answer.ok) throw new Error(`${doors[door]} could not be reached: ${answer.detail}`);
      console.log(JSON.stringify(answer.body, null, 2));
      if (answer.status >= 300) throw new Error(`${doors[door]} answered ${answer.status}`);
    });
}

async function readInput(file: string): Promise<string> {
  return file === '-' ? text(process.stdin) : readFile(file, 'utf8');
}

function parse(content: string, file: string): unknown {
  try {
    return JSON.parse(content);
  } catch (error) {
    throw new Error(`${file} is not JSON: ${(error as Error).message}`, { cause: error });
  }
}

/** A bare array of labels is what Prometheus posts; a group has `alerts`, and Grafana's says `orgId` or `state`. */
function guessDoor(payload: unknown): Door {
  if (Array.isArray(payload)) {
    const [first] = payload as unknown[];
    return typeof first === 'object' && first !== null && 'title' in first ? 'alerts' : 'prometheus';
  }
  if (typeof payload !== 'object' || payload === null) return 'alerts';
  if ('evalMatches' in payload) return 'grafana';
  if (!('alerts' in payload)) return 'alerts';
  return 'orgId' in payload || 'state' in payload ? 'grafana' : 'alertmanager';
}
