import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Stage, startStage } from '../sandbox/demo/stage.ts';
import { playStory } from '../sandbox/demo/story.ts';
import { hostileAlert } from '../sandbox/demo/payloads.ts';
import { createTestDatabase, type TestDatabase } from './support/postgres.ts';

type Listed = { id: string; title: string; severity: string; status: string; incidentId: string | null };

describe('the demo', () => {
  let database: TestDatabase;
  let stage: Stage;

  beforeEach(async () => {
    database = await createTestDatabase();
    stage = await startStage({ ports: 'any', databaseUrl: database.url });
  });

  afterEach(async () => {
    await stage.stop();
    await database.drop();
  });

  const list = async <Item>(path: string): Promise<Item[]> =>
    ((await stage.send.api('GET', path)).body as { items: Item[] }).items;

  it('ends where its story says', async () => {
    const told: string[] = [];
    const { signal } = new AbortController();
    await playStory(stage, { tell: (line) => told.push(line), pauseSeconds: 0, signal });
    await stage.app.drain();
    await stage.opsgenie.drain();

    const alerts = await list<Listed>('/api/v1/alerts?limit=200&order=asc');
    expect(alerts.map(({ title, severity, status }) => [title, severity, status])).toEqual([
      ['This alert always fires: it shows that alerting works.', 'P4', 'firing'],
      ['Pod ingress-nginx-controller-6d5f-x2k9p is crash looping', 'P3', 'firing'],
      ['Disk of node-3 is 91 % full', 'P1', 'acknowledged'],
      ['Payments take longer than 2 seconds', 'P1', 'firing'],
      ['Orders per minute: cannot be evaluated', 'P2', 'resolved'],
      ['Checkout error rate: cannot be evaluated', 'P2', 'resolved'],
      ['Warehouse queue length: cannot be evaluated', 'P2', 'resolved'],
      ['Nightly load test fails on staging', 'P1', 'firing'],
      [hostileAlert.title, 'P3', 'firing'],
      ['Node worker-2 is not ready (its kubelet is silent)', 'P1', 'firing'],
    ]);
    expect(told.filter((line) => !line.startsWith(' '))).toHaveLength(16);

    expect(headers('#alert-critical')).toEqual([
      'P1 · Resolved · Payments take longer than 2 seconds',
      'P1 · Acknowledged · Disk of node-3 is 91 % full',
      'P1 · Firing · Payments take longer than 2 seconds',
      'P1 · Firing · Node worker-2 is not ready (its kubelet is silent)',
    ]);
    // Those that are not urgent go out side by side.
    const quieter = headers('#k8s-healthchecks').map((text) => text.replaceAll('\u2060', ''));
    expect(quieter.toSorted()).toEqual([
      'P1 · Acknowledged · Disk of node-3 is 91 % full',
      'P2 · Resolved · Data source prometheus-prod-eu cannot be evaluated',
      expect.stringContaining('P3 · Firing · <!channel> *URGENT*'),
      'P3 · Firing · Pod ingress-nginx-controller-6d5f-x2k9p is crash looping',
    ]);
    expect(headers('#monitoring-dev')).toEqual(['P1 · Firing · Nightly load test fails on staging']);
    expect(stage.slack.errors()).toEqual([]);
    expect(stage.slack.ephemerals()).toEqual([]);

    const incidents = await list<Listed>('/api/v1/incidents');
    expect(incidents.map(({ title, status }) => [title, status])).toEqual([
      ['Node worker-2 is not ready (its kubelet is silent)', 'open'],
      ['Payments take longer than 2 seconds', 'open'],
      ['Disk of node-3 is 91 % full', 'assigned'],
      ['Payments take longer than 2 seconds', 'resolved'],
    ]);
    expect(
      stage.opsgenie
        .alerts()
        .map((one) => [one.message, one.status, one.acknowledged, one.responders.length]),
    ).toEqual([
      ['[P1] Payments take longer than 2 seconds', 'closed', true, 2],
      ['[P1] Disk of node-3 is 91 % full', 'open', true, 1],
      ['[P1] Payments take longer than 2 seconds', 'open', false, 2],
      ['[P1] Node worker-2 is not ready (its kubelet is silent)', 'open', false, 1],
    ]);
    expect(stage.opsgenie.deliveries().map((one) => one.status)).not.toContain(null);
  }, 60_000);

  it('keeps hostile text as it came, and mentions nobody', async () => {
    await stage.send.api('POST', '/api/v1/alerts', hostileAlert);
    await stage.app.drain();
    const [alert] = await list<Record<string, unknown>>('/api/v1/alerts');
    expect(alert).toMatchObject({
      title: hostileAlert.title,
      description: hostileAlert.description,
      labels: hostileAlert.labels,
    });
    const [message] = stage.slack.messages('#k8s-healthchecks');
    const shown = `${message?.text} ${JSON.stringify(message?.blocks)}`;
    expect(shown).not.toMatch(/<!(channel|here)>|<@U12345678>/);
    expect(message?.text).not.toContain('<https://evil');
  });

  function headers(channel: string): string[] {
    return stage.slack.messages(channel).map((message) => {
      const header = message.blocks.find((block) => block['type'] === 'header');
      return (header?.['text'] as { text: string } | undefined)?.text ?? '';
    });
  }
});

describe('npm run demo', () => {
  it('plays on the embedded database and ends by itself with --once', async () => {
    const script = fileURLToPath(new URL('../sandbox/demo.ts', import.meta.url));
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [script, '--once', '--quick', '--any-ports'],
      { timeout: 60_000 },
    );
    expect(stdout.trimEnd().split('\n').at(-1)).toBe(
      'The story is over: 10 alerts (7 open), 9 Slack messages, 4 incidents, 4 Opsgenie alerts, 0 refusals by Slack.',
    );
  }, 60_000);
});
