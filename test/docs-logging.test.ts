import { readFile } from 'node:fs/promises';
import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { newId } from '../src/lib/ids.ts';
import { createEvents } from '../src/observability/events.ts';
import { createLog } from '../src/observability/log.ts';
import { createMetrics } from '../src/observability/metrics.ts';
import { intakeRequest, at } from './support/alerts.ts';

const text = await readFile(new URL('../docs/logging.md', import.meta.url), 'utf8');
const source = await readFile(new URL('../src/observability/events.ts', import.meta.url), 'utf8');

const documented = [...text.matchAll(/^\| `([a-z-]+\.[a-z]+)` +\| ([a-z]+) +\| (.+?) +\| (.+?) +\|$/gm)].map(
  ([, event = '', level = '', msg = '', fields = '']) =>
    `${event} ${level} ${msg}: ${[...fields.matchAll(/`([^`]+)`/g)].map((match) => match[1]).join(', ')}`,
);

type Line = { event?: string; level: string; msg: string } & Record<string, unknown>;

/** Every line that `events.ts` can write. */
function written(): Line[] {
  const lines: Line[] = [];
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString()) as Line);
      done();
    },
  });
  const events = createEvents(createLog({ level: 'debug', destination }), createMetrics());
  const outcomes = ['created', 'updated', 'resolved', 'ignored', 'rejected'] as const;
  events.deliveryCommitted({
    request: intakeRequest([], at(0), { truncatedAlerts: 3 }),
    result: { ok: true, deliveryId: newId(), results: outcomes.map((outcome) => ({ outcome })) },
  });
  const channel = '#a';
  events.dispatch({ kind: 'posted', channel, severity: 'P1', latencyMs: 5 });
  events.dispatch({ kind: 'edited', channel });
  events.carried('webhook', 'P1');
  events.dispatch({
    kind: 'failed',
    channel,
    reason: 'channel',
    code: 'is_archived',
    detail: 'It is archived.',
  });
  for (const state of ['dead', 'usable'] as const)
    events.dispatch({ kind: 'channel', channel, state, code: 'is_archived', detail: 'why' });
  events.dispatch({ kind: 'trouble', error: new Error('x') });
  for (const outcome of ['confirmed', 'retried', 'failed'] as const)
    events.incidentCommand('opsgenie', outcome, 'open', 'why');
  for (const outcome of ['applied', 'given-up']) events.providerEvents('opsgenie', outcome, 'acknowledge');
  events.incidentCompared('opsgenie', 'repaired', 'close');
  events.acted('acknowledge', 'api', 'token:x', newId());
  events.actedOnIncident('incident_assign', 'api', 'token:x', newId());
  events.circuitChanged('slack', true, 'why');
  events.circuitChanged('slack', false, '');
  for (const outcome of ['ok', 'late']) events.canary({ outcome, seconds: 1, detail: null });
  for (const outcome of ['sent', 'failed', 'withheld'] as const)
    events.heartbeat({ target: 'url', outcome, detail: null });
  for (const status of ['down', 'up'])
    events.healthChecked({
      check: { name: 'shop' },
      result: { ok: true, detail: 'why', durationMs: 1 },
      status,
      changed: true,
    });
  for (const final of [false, true])
    events.jobFailed({ task: 'alert.changed', attempts: 1, final, error: new Error('x') });
  return lines;
}

describe('docs/logging.md', () => {
  const lines = written();
  const common = new Set(['time', 'level', 'msg', 'service', 'event']);

  it('has a line for every event with its level, sentence and fields, and none beside', () => {
    const actual = lines.map(({ event, level, msg, ...rest }) => {
      const fields = Object.keys(rest).filter((name) => !common.has(name));
      return `${event ?? 'NO EVENT'} ${level} ${msg}: ${fields.join(', ')}`;
    });
    expect(documented.toSorted()).toEqual(actual.toSorted());
  });

  it('is compared with every event there is', () => {
    const named = new Set([...source.matchAll(/event: '([^']+)'/g)].map((match) => match[1]));
    expect(new Set(lines.map((line) => line.event))).toEqual(named);
    // A line without a name could not be searched for.
    const calls = [...source.matchAll(/log\.(?:debug|info|warn|error)\(\s*(\{ (?!event:)|'|`)/g)];
    expect(calls).toEqual([]);
  });

  it('explains every field', () => {
    const explained = new Set([...text.matchAll(/`([a-zA-Z]+)`/g)].map((match) => match[1]));
    const used = new Set(lines.flatMap((line) => Object.keys(line)));
    expect([...used].filter((name) => !explained.has(name))).toEqual([]);
  });
});
