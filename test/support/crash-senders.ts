import { setTimeout as wait } from 'node:timers/promises';
import type { SlackSandbox } from '../../sandbox/slack/server.ts';
import type { Random } from './seeded-random.ts';

/** What was reported, and answered with a 2xx. */
export type Reported = {
  name: string;
  severity: 'P1' | 'P3';
  status: 'firing' | 'resolved';
  /** Kept open, for a person to acknowledge. */
  forPeople: boolean;
  acknowledged: boolean;
};

export type Door = 'api' | 'grafana' | 'alertmanager';

export const crashToken = 'crash-admin-token';

/**
 * A source that behaves like the real ones: it sends again what got no 2xx, and
 * never sends a later state before an earlier one was taken. Its reports are new
 * alerts, repeats and ends.
 */
export class CrashSender {
  readonly #door: Door;
  readonly #random: Random;
  /** A process that is up, if any is. */
  readonly #url: () => string | null;
  readonly reported: Reported[] = [];
  /** Requests that got a 2xx, and those that had to be sent again. */
  readonly counts = { taken: 0, again: 0 };

  constructor(door: Door, random: Random, url: () => string | null) {
    this.#door = door;
    this.#random = random;
    this.#url = url;
  }

  /** Until the signal; what is under way then is still sent. */
  async run(stop: AbortSignal, giveUp: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      const open = this.reported.filter((one) => one.status === 'firing' && !one.forPeople);
      const dice = this.#random.next();
      const known = this.#random.pick(open);
      if (known === undefined || dice < 0.4) {
        const number = this.reported.length;
        const severity = this.#random.next() < 0.5 ? 'P1' : 'P3';
        const forPeople = severity === 'P1' && number % 5 === 0;
        const fresh: Reported = {
          name: `crash-${this.#door}-${number}`,
          severity,
          status: 'firing',
          forPeople,
          acknowledged: false,
        };
        await this.#send(fresh, 'firing', giveUp);
        this.reported.push(fresh);
      } else if (dice < 0.75) {
        await this.#send(known, 'firing', giveUp);
      } else {
        await this.#send(known, 'resolved', giveUp);
        known.status = 'resolved';
      }
      await wait(this.#random.between(5, 40));
    }
  }

  async #send(alert: Reported, status: 'firing' | 'resolved', giveUp: AbortSignal): Promise<void> {
    for (;;) {
      giveUp.throwIfAborted();
      const url = this.#url();
      const code = url === null ? 0 : await post(url, this.#door, alert, status);
      if (code >= 200 && code < 300) {
        this.counts.taken += 1;
        return;
      }
      if (code !== 0 && code !== 503) throw new Error(`${alert.name} was answered ${code}`);
      this.counts.again += 1;
      await wait(50);
    }
  }
}

/** 0: no answer. */
async function post(url: string, door: Door, alert: Reported, status: string): Promise<number> {
  const where = door === 'api' ? '/api/v1/alerts' : `/api/v1/webhooks/${door}`;
  try {
    const response = await fetch(`${url}${where}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${crashToken}`, 'content-type': 'application/json' },
      body: JSON.stringify(bodyOf(door, alert, status)),
      signal: AbortSignal.timeout(15_000),
    });
    await response.arrayBuffer();
    return response.status;
  } catch {
    return 0;
  }
}

function bodyOf(door: Door, { name, severity }: Reported, status: string): unknown {
  if (door === 'api') return { title: name, dedupKey: name, severity, status };
  const labels = { alertname: name, severity };
  const one = { status, labels, annotations: {}, startsAt: '2026-11-20T08:15:30.000Z', fingerprint: name };
  if (door === 'grafana') return { receiver: 'r', status, orgId: 1, version: '1', alerts: [one] };
  return { version: '4', groupKey: '{}', receiver: 'r', status, alerts: [one] };
}

/** A person who acknowledges what is there for people, and clicks again when Slack shows a warning. */
export async function acknowledgeNow(slack: SlackSandbox, alerts: Reported[]): Promise<void> {
  for (const alert of alerts) {
    if (!alert.forPeople || alert.acknowledged) continue;
    const card = slack.messages('#alert-critical').find((one) => one.text.includes(alert.name));
    if (card === undefined || !JSON.stringify(card.blocks).includes('alert_acknowledge')) continue;
    const click = { actionId: 'alert_acknowledge', channel: '#alert-critical', ts: card.ts };
    const delivery = await slack.click(click).catch(() => null);
    if (delivery?.status === 200) alert.acknowledged = true;
  }
}
