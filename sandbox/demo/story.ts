import { setTimeout as wait } from 'node:timers/promises';
import type { MessageWithReplies } from '../slack/model.ts';
import { failingNode, failNode } from './cluster.ts';
import {
  alertmanagerWebhook,
  brokenDataSource,
  crashLoop,
  diskAlmostFull,
  grafanaWebhook,
  hostileAlert,
  paymentsLatency,
  stagingAlert,
  watchdog,
} from './payloads.ts';
import type { Sent } from './senders.ts';
import type { Stage } from './stage.ts';

/**
 * About a minute in the life of a shop, played through the service's real doors.
 * What is printed is what came back and what the sandboxes hold, not what was
 * meant to happen; anything else ends the story with an error.
 */
export type Teller = (line: string) => void;

export type StoryOptions = {
  tell: Teller;
  /** Seconds between chapters; 0: as fast as it goes. */
  pauseSeconds: number;
  signal: AbortSignal;
};

type Scene = Stage & { tell: Teller };
type Chapter = (scene: Scene) => Promise<void>;

export async function playStory(stage: Stage, options: StoryOptions): Promise<void> {
  const scene = { ...stage, tell: options.tell };
  for (const chapter of chapters) {
    options.signal.throwIfAborted();
    await chapter(scene);
    if (options.pauseSeconds > 0)
      await wait(options.pauseSeconds * 1_000, undefined, { signal: options.signal });
  }
}

const began = (secondsAgo: number): Date => new Date(Date.now() - secondsAgo * 1_000);

const chapters: Chapter[] = [
  async ({ send, tell, app, slack }) => {
    accepted(await send.prometheus(watchdog()));
    await app.drain();
    expectThat(slack.calls('chat.postMessage').length === 0, 'the Watchdog was told');
    tell('Prometheus sends its Watchdog, which fires as long as Prometheus lives: stored, nobody is told.');
  },

  async ({ send, tell, app, slack }) => {
    accepted(await send.prometheus(crashLoop()));
    accepted(await send.grafana(grafanaWebhook([diskAlmostFull()])));
    await app.drain();
    expectThat(slack.messages('#k8s-healthchecks').length === 2, 'two messages in #k8s-healthchecks');
    tell(
      'Prometheus: a pod is crash looping (warning, so P3). Grafana, with an HMAC signature: a disk is almost full (high, so P2).',
    );
    tell('  → two messages in #k8s-healthchecks.');
  },

  async ({ send, tell, app, slack, opsgenie }) => {
    accepted(await send.alertmanager(alertmanagerWebhook([paymentsLatency(began(300))])));
    await app.drain();
    message(slack, '#alert-critical', 'Payments take longer');
    const [page] = opsgenie.alerts();
    expectThat(page !== undefined, 'an alert at Opsgenie');
    tell('Alertmanager: payments take longer than 2 seconds (critical, so P1).');
    tell(
      `  → a message in #alert-critical, and an incident by itself: Opsgenie pages ${names(page?.responders)}.`,
    );
  },

  async ({ tell, app, slack, opsgenie }) => {
    const { ts } = message(slack, '#alert-critical', 'Payments take longer');
    await slack.click({ channel: '#alert-critical', ts, actionId: 'alert_acknowledge', user: 'ana' });
    await app.drain();
    expectThat(opsgenie.alerts()[0]?.acknowledged === true, 'acknowledged at Opsgenie');
    tell('Ana presses Acknowledge in Slack.');
    tell('  → the same message says so, and Opsgenie stops paging: it is acknowledged there, too.');
  },

  async ({ tell, app, slack }) => {
    const { ts } = message(slack, '#alert-critical', 'Payments take longer');
    await slack.click({ channel: '#alert-critical', ts, actionId: 'alert_add_note', user: 'ana' });
    const view = await slack.waitFor(() => slack.views().find((one) => one.type === 'modal'));
    await slack.submitView({
      viewId: view.id,
      values: { note: 'The card provider answers slowly; I am switching to the second one.' },
      user: 'ana',
    });
    await app.drain();
    tell('Ana adds a note in the dialog behind "Add note".');
    tell('  → the message shows it, and the audit log keeps it.');
  },

  async ({ send, tell, app, slack }) => {
    accepted(await send.grafana(grafanaWebhook(brokenDataSource(began(60)))));
    await app.drain();
    message(slack, '#k8s-healthchecks', 'prometheus-prod-eu');
    expectThat(slack.messages('#k8s-healthchecks').length === 3, 'one message for the data source');
    tell(
      'Grafana: a data source does not answer, so three rules raise DatasourceError, all marked critical.',
    );
    tell(
      '  → three alerts kept, one message in #k8s-healthchecks that names the three rules; capped at P2, so nobody is paged.',
    );
  },

  async ({ send, tell, app, slack, opsgenie }) => {
    accepted(await send.api('POST', '/api/v1/alerts', stagingAlert));
    await app.drain();
    message(slack, '#monitoring-dev', 'Nightly load test');
    expectThat(opsgenie.alerts().length === 1, 'no incident for staging');
    tell('REST API: a load test fails on staging (critical, but environment=staging).');
    tell('  → #monitoring-dev; no incident, whatever the severity.');
  },

  async ({ send, tell, app, slack }) => {
    accepted(await send.api('POST', '/api/v1/alerts', hostileAlert));
    await app.drain();
    message(slack, '#k8s-healthchecks', 'URGENT');
    expectThat(slack.errors().length === 0, 'Slack refuses nothing');
    tell('REST API: text that tries to mention the whole channel, to plant a link and to run a script.');
    tell('  → shown as plain words; it mentions, links and runs nothing, and is stored as it came.');
  },

  async ({ send, tell }) => {
    const refused = await send.grafana(grafanaWebhook([diskAlmostFull()]), 'not-the-secret');
    expectThat(refused.status === 401, 'a wrong signature is refused');
    tell('Somebody who does not know the secret posts as Grafana.');
    tell(`  → ${refused.status}: ${detailOf(refused)}`);
  },

  async ({ tell, app, slack, opsgenie }) => {
    const { ts } = message(slack, '#k8s-healthchecks', 'Disk of node-3');
    await slack.click({ channel: '#k8s-healthchecks', ts, actionId: 'alert_escalate', user: 'jonas' });
    await app.drain();
    message(slack, '#alert-critical', 'Disk of node-3');
    expectThat(opsgenie.alerts().length === 2, 'an incident for the escalated alert');
    tell('Jonas presses Escalate on the disk: P2 becomes P1.');
    tell(
      '  → #alert-critical gets the alert, too, both messages show P1, and Opsgenie pages the Platform team.',
    );
  },

  async ({ send, tell, app, slack, opsgenie }) => {
    const disk = opsgenie.alerts().find((alert) => alert.message.includes('node-3'));
    expectThat(disk !== undefined, 'the disk at Opsgenie');
    opsgenie.person.acknowledge(disk?.id ?? '', 'priya@example.com');
    opsgenie.person.addNote(disk?.id ?? '', 'Adding a volume.', 'priya@example.com');
    await opsgenie.drain();
    await app.drain();
    const answers = opsgenie.deliveries().map((delivery) => delivery.status);
    expectThat(
      answers.every((status) => status === 200),
      'every webhook of Opsgenie is taken',
    );
    const shown = JSON.stringify(message(slack, '#alert-critical', 'Disk of node-3').blocks);
    expectThat(shown.includes('priya@example.com'), 'the message names who acknowledged');
    expectThat(shown.includes('Adding a volume.'), 'the message shows the note');
    const incidents = (await send.api('GET', '/api/v1/incidents?q=node-3')).body as {
      items: { assignedTo: string | null }[];
    };
    expectThat(incidents.items[0]?.assignedTo === 'priya@example.com', 'the incident is hers');
    tell('Priya acknowledges the disk in Opsgenie and writes a note there.');
    tell('  → both messages in Slack show it in her name, and the incident is hers; nothing is sent back.');
  },

  async ({ send, tell, app, slack }) => {
    accepted(await send.grafana(grafanaWebhook(brokenDataSource(began(90), new Date()))));
    await app.drain();
    expectThat(isOver(message(slack, '#k8s-healthchecks', 'prometheus-prod-eu')), 'the data source is over');
    tell('Grafana: the data source answers again.');
    tell('  → the shared message ends as resolved, without buttons.');
  },

  async ({ send, tell, app, slack, opsgenie }) => {
    accepted(await send.alertmanager(alertmanagerWebhook([paymentsLatency(began(400), new Date())])));
    await app.drain();
    expectThat(isOver(message(slack, '#alert-critical', 'Payments take longer')), 'the message is over');
    expectThat(opsgenie.alerts()[0]?.status === 'closed', 'closed at Opsgenie');
    tell('Alertmanager: payments are fast again.');
    tell('  → the message ends as resolved, the incident is resolved, and Opsgenie closes its alert.');
  },

  async ({ send, tell, app, slack, opsgenie }) => {
    accepted(await send.alertmanager(alertmanagerWebhook([paymentsLatency(new Date())])));
    await app.drain();
    expectThat(opsgenie.alerts().length === 3, 'a new incident');
    expectThat(slack.messages('#alert-critical').length === 3, 'a new message');
    tell('Alertmanager: payments are slow once more.');
    tell(
      '  → the same alert, its second episode: one new message and a new incident; the old ones stay ended.',
    );
  },

  async ({ tell, app, slack, cluster }) => {
    const shown = (): boolean =>
      [...slack.messages('#alert-critical'), ...slack.messages('#k8s-healthchecks')].some(({ text }) =>
        text.includes(failingNode),
      );
    expectThat(!shown(), 'nothing is said of a healthy cluster');
    failNode(cluster);
    await slack.waitFor(shown, 30_000);
    await app.drain();
    expectThat(slack.messages('#alert-critical').length === 4, 'one message for the node and its pods');
    const { blocks } = message(slack, '#alert-critical', failingNode);
    expectThat(JSON.stringify(blocks).includes('search'), 'the message names what fails with the node');
    tell(
      `Kubernetes: the node ${failingNode} says nothing any more; three pods run on it, all of the search among them.`,
    );
    tell('  → one message in #alert-critical that lists them, no message for each, and an incident.');
  },

  async ({ send, tell }) => {
    const detail = (await send.api('GET', '/api/v1/alerts?q=Payments')).body as { items: { id: string }[] };
    const id = detail.items[0]?.id ?? '';
    const alert = (await send.api('GET', `/api/v1/alerts/${id}`)).body as {
      actions: unknown[];
      decisions: { stage: string; reason: string }[];
    };
    const why = alert.decisions.find((decision) => decision.stage === 'severity');
    tell(`Asked why, the alert answers: "${why?.reason ?? ''}"`);
    tell(
      `  → ${alert.actions.length} entries in its audit log, ${alert.decisions.length} decisions: GET /api/v1/alerts/${id}`,
    );
  },
];

function accepted(sent: Sent): void {
  expectThat(
    sent.status < 300,
    `the service takes it (it answered ${sent.status}: ${JSON.stringify(sent.body)})`,
  );
}

function expectThat(holds: boolean, what: string): void {
  if (!holds) throw new Error(`the story went wrong: expected ${what}`);
}

/** The newest top-level message of the channel with this text. */
function message(slack: Stage['slack'], channel: string, text: string): MessageWithReplies {
  const found = slack
    .messages(channel)
    .findLast((one) => one.text.includes(text) || JSON.stringify(one.blocks).includes(text));
  if (found === undefined) throw new Error(`the story went wrong: expected "${text}" in ${channel}`);
  return found;
}

function isOver(shown: MessageWithReplies): boolean {
  return /resolved/i.test(shown.text) && !JSON.stringify(shown.blocks).includes('alert_acknowledge');
}

function names(responders: { type: string; name: string }[] | undefined): string {
  const told = (responders ?? []).map(({ type, name }) => `${type} ${name}`);
  return told.length === 0 ? 'nobody in particular' : told.join(' and ');
}

function detailOf(sent: Sent): string {
  const { detail } = sent.body as { detail?: string };
  return detail ?? '';
}
