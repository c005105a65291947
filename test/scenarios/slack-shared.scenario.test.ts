import { afterAll, beforeAll, expect, it } from 'vitest';
import { grafanaAlert, grafanaWebhook } from '../fixtures/grafana.ts';
import { startWorld, type World } from '../support/world.ts';

/** The alerts of a broken data source share one message, and its buttons mean all of them. */
let world: World;
beforeAll(async () => {
  world = await startWorld({ settings: { incidents: { autoCreate: [] } } });
});
afterAll(() => world.stop());

const channel = '#k8s-healthchecks';
type Status = 'firing' | 'resolved';
async function send(source: string, rules: Record<string, Status>, severity = 'warning'): Promise<void> {
  const alerts = Object.entries(rules).map(([name, status]) =>
    grafanaAlert({
      name: 'DatasourceError',
      fingerprint: `${source}-${name}`,
      severity,
      status,
      labels: { datasource_uid: source, rulename: name },
      ...(status === 'resolved' && { endsAt: new Date().toISOString() }),
    }),
  );
  expect((await world.call('POST', '/api/v1/webhooks/grafana', grafanaWebhook(alerts))).status).toBe(200);
  await world.drain();
}
function card(source: string) {
  const found = world.slack.messages(channel).filter((one) => one.text.includes(`Data source ${source}`));
  expect(found).toHaveLength(1);
  const [message] = found;
  const blocks = JSON.stringify(message?.blocks);
  const buttons = [...blocks.matchAll(/"action_id":"alert_(\w+)"/g)].map((match) => match[1]);
  return {
    ts: message?.ts ?? '',
    text: message?.text ?? '',
    blocks,
    buttons,
    replies: message?.replies ?? [],
  };
}
async function click(source: string, button: string): Promise<void> {
  await world.slack.click({ channel, ts: card(source).ts, actionId: `alert_${button}`, user: 'ana' });
  await world.drain();
}
const alertsOf = (source: string) =>
  world.rows<{ status: string; severity: string; by: string | null }>(
    `SELECT status, severity, acknowledged_by AS by FROM alerts_active WHERE fold_key = $1 ORDER BY fingerprint`,
    [source],
  );
const told = () => world.slack.ephemerals().map((one) => one.text);

it('acknowledges all of them with one click, and says so once', async () => {
  await send('prom', { A: 'firing', B: 'firing', C: 'firing' });
  await click('prom', 'acknowledge');
  const by = 'ana@example.com';
  const acknowledged = { status: 'acknowledged', severity: 'P3', by };
  expect(await alertsOf('prom')).toEqual([acknowledged, acknowledged, acknowledged]);
  expect(card('prom').text).toMatch(/acknowledged/i);
  expect(card('prom').buttons).not.toContain('acknowledge');
  expect(card('prom').replies.map((one) => one.text)).toEqual(['Acknowledged by ana']);
  expect(told()).toEqual([]);
});

it('is not acknowledged while one of them is not, and a click is for that one', async () => {
  await send('prom', { D: 'firing' });
  expect(card('prom').text).toMatch(/P3 firing/);
  expect(card('prom').buttons).toContain('acknowledge');
  expect(card('prom').text).not.toContain('by ana');
  await click('prom', 'acknowledge');
  expect((await alertsOf('prom')).map((one) => one.status)).toEqual(Array(4).fill('acknowledged'));
  expect(card('prom').text).toMatch(/P3 acknowledged.*Acknowledged by ana/);
  expect(card('prom').buttons).not.toContain('acknowledge');
});

it('escalates all, resolves all, and takes a note for all', async () => {
  await send('loki', { A: 'firing', B: 'firing' });
  await click('loki', 'add_note');
  const [view] = world.slack.views().filter((one) => one.type === 'modal');
  await world.slack.submitView({ viewId: view?.id ?? '', values: { note: 'disk is full' } });
  await world.drain();
  await send('loki', { A: 'resolved' });
  expect(card('loki').blocks).toContain('disk is full');
  await send('loki', { C: 'firing' });
  await click('loki', 'escalate');
  expect(await alertsOf('loki')).toMatchObject([
    { status: 'resolved', severity: 'P3' },
    { status: 'escalated', severity: 'P2' },
    { status: 'escalated', severity: 'P2' },
  ]);
  expect(card('loki').text).toMatch(/P2 escalated/);
  await click('loki', 'resolve');
  expect((await alertsOf('loki')).map((one) => one.status)).toEqual(Array(3).fill('resolved'));
  expect(card('loki').text).toMatch(/resolved/i);
  expect(card('loki').buttons).toEqual([]);
  expect(card('loki').replies.map((one) => one.text)).toEqual([
    'Escalated from P3 to P2 by ana',
    'Resolved by ana',
  ]);
  expect(told()).toEqual([]);
});
