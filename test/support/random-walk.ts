import { type Random, seededRandom } from './seeded-random.ts';
import { startWorld, type World } from './world.ts';

/**
 * A walk of random steps over the whole service while Slack and Opsgenie fail at
 * random: reports, clicks, calls, people at Opsgenie, restarts. Afterwards the
 * faults stop, time passes until nothing is left to do, and every system must say
 * the same of every alert and every incident.
 */
export type Walk = { seed: number; steps: number };

export type WalkOutcome = {
  /** What two systems say differently; empty when all is well. */
  differences: string[];
  /** What was done, for whoever has to find out. */
  steps: string[];
};

class Walker {
  readonly steps: string[] = [];
  readonly #world: World;
  readonly #random: Random;
  readonly #ids = new Map<string, string>();

  constructor(world: World, seed: number) {
    this.#world = world;
    this.#random = seededRandom(seed);
  }

  async step(): Promise<void> {
    const moves: [weight: number, move: () => Promise<string>][] = [
      [8, () => this.#report('firing')],
      [5, () => this.#report('resolved')],
      [4, () => this.#click()],
      [2, () => this.#call()],
      [3, () => this.#personAtOpsgenie()],
      [3, () => this.#slackFails()],
      [3, () => this.#opsgenieFails()],
      [3, () => this.#timePasses()],
      [0.4, () => this.#restart()],
    ];
    let roll = this.#random.next() * moves.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, move] of moves) {
      roll -= weight;
      if (roll >= 0) continue;
      this.steps.push(await move());
      return;
    }
  }

  async #report(status: 'firing' | 'resolved'): Promise<string> {
    const key = `walk ${this.#random.between(0, 7)}`;
    const severity = this.#random.pick(['P0', 'P1', 'P2', 'P3']) ?? 'P3';
    const body = { title: key, dedupKey: key, severity, status };
    const answer = await this.#world.call('POST', '/api/v1/alerts', body);
    const id: unknown = answer.body?.results?.[0]?.id;
    if (typeof id === 'string') this.#ids.set(key, id);
    return `report ${key} ${severity} ${status}: ${answer.status} ${answer.body?.results?.[0]?.outcome}`;
  }

  async #click(): Promise<string> {
    const buttons = channels.flatMap((channel) =>
      this.#world.slack.messages(channel).flatMap((message) => {
        const ids = JSON.stringify(message.blocks).match(
          /alert_(?:acknowledge|escalate|resolve|create_incident)/g,
        );
        return (ids ?? []).map((actionId) => ({ actionId, channel, ts: message.ts }));
      }),
    );
    const click = this.#random.pick(buttons);
    if (click === undefined) return 'nothing to click';
    await this.#world.slack.click(click);
    return `click ${click.actionId} on ${click.ts}`;
  }

  async #call(): Promise<string> {
    const id = this.#random.pick([...this.#ids.values()]);
    if (id === undefined) return 'nothing to call';
    const action = this.#random.pick(['acknowledge', 'escalate', 'resolve']) ?? 'acknowledge';
    const answer =
      action === 'resolve'
        ? await this.#world.call('DELETE', `/api/v1/alerts/${id}`)
        : await this.#world.call('PUT', `/api/v1/alerts/${id}/${action}`, {});
    return `${action} ${id}: ${answer.status}`;
  }

  /**
   * Only where we know what we opened: whoever closes it before, while our call's answer
   * is lost, has it opened again, because an alias finds no closed alert.
   */
  async #personAtOpsgenie(): Promise<string> {
    const rows = await this.#world.rows('SELECT external_id FROM incidents WHERE external_id IS NOT NULL');
    const known = new Set(rows.map((row) => row['external_id']));
    const open = this.#world.opsgenie.alerts().filter(({ id, status }) => status === 'open' && known.has(id));
    const alert = this.#random.pick(open);
    if (alert === undefined) return 'nothing open at Opsgenie';
    const action = this.#random.pick(['acknowledge', 'close', 'assign', 'addNote'] as const) ?? 'close';
    const { person } = this.#world.opsgenie;
    if (action === 'assign') person.assign(alert.id, 'ann@example.com', 'ann@example.com');
    else if (action === 'addNote') person.addNote(alert.id, 'looking', 'ann@example.com');
    else if (action === 'close' || !alert.acknowledged) person[action](alert.id, 'ann@example.com');
    return `at Opsgenie: ${action} ${alert.alias}`;
  }

  #slackFails(): Promise<string> {
    const method = this.#random.pick(['chat.postMessage', 'chat.update', '*']) ?? '*';
    const times = this.#random.between(1, 3);
    const kind = this.#random.pick([
      'http-500',
      'html-200',
      'reset',
      'reset-after-applying',
      'rate-limit',
    ] as const);
    if (kind === 'rate-limit') {
      const retryAfterSeconds = this.#random.pick([null, 1, 30]) ?? null;
      this.#world.slack.fault({ method, times, kind, retryAfterSeconds });
    } else if (kind !== undefined) this.#world.slack.fault({ method, times, kind });
    return Promise.resolve(`Slack: ${times} × ${kind} for ${method}`);
  }

  #opsgenieFails(): Promise<string> {
    const times = this.#random.between(1, 3);
    const method = this.#random.pick(['GET', 'POST', undefined]);
    const fault = this.#random.pick([
      { effect: 'status', status: 500, applied: true },
      { effect: 'status', status: 503, applied: false },
      { effect: 'reset', applied: true },
      { effect: 'html', status: 200, applied: true },
      { effect: 'rate-limit', periodInSec: 1 },
      { effect: 'fail-request', status: 'Something went wrong' },
    ] as const);
    if (fault !== undefined) this.#world.opsgenie.fault({ ...fault, times, ...(method && { method }) });
    return Promise.resolve(`Opsgenie: ${times} × ${JSON.stringify(fault)} for ${method ?? 'any'}`);
  }

  async #timePasses(): Promise<string> {
    const seconds = this.#random.between(0, 39);
    await this.#world.advance(seconds * 1_000);
    return `${seconds} s pass`;
  }

  async #restart(): Promise<string> {
    await this.#world.restart();
    return 'restart';
  }
}

const channels = ['#alert-critical', '#k8s-healthchecks', '#monitoring-dev'];

export async function walk({ seed, steps }: Walk): Promise<WalkOutcome> {
  const world = await startWorld({ opsgenieStatusAsks: 1 });
  try {
    const walker = new Walker(world, seed);
    for (let step = 0; step < steps; step += 1) await walker.step();
    world.slack.clearFaults();
    world.opsgenie.clearFaults();
    await settle(world);
    return { differences: await differencesOf(world), steps: walker.steps };
  } finally {
    await world.stop();
  }
}

/** Lets time pass until nothing is left to do; twice in a row, because what is done last may cause more. */
async function settle(world: World): Promise<void> {
  let quiet = 0;
  for (let round = 0; round < 60 && quiet < 3; round += 1) {
    await world.advance(61_000);
    await world.opsgenie.drain();
    const drained = await world.app.drain(1_000).then(
      () => true,
      () => false,
    );
    quiet = drained ? quiet + 1 : 0;
  }
  await world.app.drain();
}

type CardRow = {
  title: string;
  alert_status: string;
  alert_episode: number;
  episode: number;
  channel_id: string | null;
  message_id: string | null;
};

async function differencesOf(world: World): Promise<string[]> {
  return [...(await cardDifferences(world)), ...(await incidentDifferences(world))];
}

async function cardDifferences(world: World): Promise<string[]> {
  const differences: string[] = [];
  const rows = (await world.rows(`
    SELECT a.title, a.status AS alert_status, a.episode AS alert_episode, n.episode, n.channel_id, n.message_id
    FROM (SELECT id, title, status::text, episode FROM alerts_active UNION ALL SELECT id, title, 'archived', episode FROM alerts_archive) a
    LEFT JOIN notifications n ON n.subject = 'alert:' || a.id AND n.purpose = 'card'`)) as CardRow[];
  const there = new Map(
    channels.flatMap((channel) =>
      world.slack
        .messages(channel)
        .filter((message) => message.botId !== null)
        .map((message) => [`${message.channelId} ${message.ts}`, message] as const),
    ),
  );
  const accounted = new Set<string>();
  for (const row of rows) {
    const what = `${row.title} episode ${row.episode}`;
    const message = there.get(`${row.channel_id} ${row.message_id}`);
    if (message === undefined) {
      differences.push(`${what}: the ledger names a message that is not there`);
      continue;
    }
    accounted.add(`${row.channel_id} ${row.message_id}`);
    const over = row.episode < row.alert_episode || ['resolved', 'archived'].includes(row.alert_status);
    const showsOver = /resolved/i.test(message.text);
    const hasButtons = JSON.stringify(message.blocks).includes('"alert_acknowledge"');
    if (over !== showsOver) differences.push(`${what} is ${row.alert_status}, but shows "${message.text}"`);
    if (over && hasButtons) differences.push(`${what} is over and still has buttons`);
  }
  for (const [place, message] of there) {
    const isLine = message.threadTs !== null || !/walk \d/.test(message.text);
    if (!accounted.has(place) && !isLine) differences.push(`nobody knows the message "${message.text}"`);
  }
  return differences;
}

async function incidentDifferences(world: World): Promise<string[]> {
  const differences: string[] = [];
  const incidents = (await world.rows(
    'SELECT id, title, status::text, severity::text, assigned_to, acknowledged_at IS NOT NULL AS acknowledged, acknowledged_by FROM incidents',
  )) as {
    id: string;
    title: string;
    status: string;
    severity: string;
    assigned_to: string | null;
    acknowledged: boolean;
    acknowledged_by: string | null;
  }[];
  const known = new Set(incidents.map(({ id }) => `gomon-${id}`));
  for (const alert of world.opsgenie.alerts()) {
    if (!known.has(alert.alias))
      differences.push(`Opsgenie has ${alert.alias}, which is no incident of ours`);
  }
  for (const incident of incidents) {
    const there = world.opsgenie.alerts().filter((alert) => alert.alias === `gomon-${incident.id}`);
    const [alert] = there;
    if (alert === undefined || there.length > 1) {
      differences.push(`${incident.title}: ${there.length} alerts at Opsgenie`);
      continue;
    }
    const open = ['open', 'assigned'].includes(incident.status);
    if (open !== (alert.status === 'open'))
      differences.push(`${incident.title} is ${incident.status} here and ${alert.status} at Opsgenie`);
    if (open && incident.acknowledged !== alert.acknowledged)
      differences.push(
        `${incident.title}: acknowledged ${incident.acknowledged} here, ${alert.acknowledged} there`,
      );
    // Opsgenie makes whoever acknowledges the owner, which assigns nobody.
    const owners = [
      incident.assigned_to,
      ...(incident.assigned_to === null ? [incident.acknowledged_by] : []),
    ];
    if (open && alert.owner !== '' && !owners.includes(alert.owner))
      differences.push(`${incident.title}: assigned to ${incident.assigned_to} here, ${alert.owner} there`);
  }
  const openAlerts = (await world.rows(
    `SELECT a.title FROM alerts_active a LEFT JOIN incidents i ON i.id = a.incident_id
     WHERE a.status IN ('firing', 'acknowledged', 'escalated') AND a.severity IN ('P0', 'P1')
       AND (i.id IS NULL OR i.status IN ('resolved', 'closed'))`,
  )) as { title: string }[];
  for (const { title } of openAlerts) differences.push(`${title} is grave and open without an open incident`);
  return differences;
}
