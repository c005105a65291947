import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { createMetrics } from '../src/observability/metrics.ts';

/** What the docs, the rules and the dashboard say about metrics, against the metrics there are. */
const read = (file: string): Promise<string> => readFile(new URL(`../${file}`, import.meta.url), 'utf8');
const docs = await read('docs/metrics.md');
const rulesText = await read('deploy/prometheus/gomon.rules.yml');
const operations = await read('docs/operations.md');
type Rule = { record?: string; alert?: string; expr: string; annotations?: Record<string, string> };
const rules = (parse(rulesText) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules);
type Panel = { title: string; type: string; targets?: { expr: string }[] };
const dashboard = JSON.parse(await read('deploy/grafana/dashboards/gomon.json')) as {
  panels: (Panel & { id: number })[];
};

const registered = createMetrics()
  .registry.getMetricsAsArray()
  .map((metric) => ({
    name: metric.name,
    type: metric.type,
    // Theirs at run time, but not in the types of the library.
    labels: [...(metric as unknown as { labelNames: readonly string[] }).labelNames],
  }));
const ours = registered.filter(({ name }) => name.startsWith('gomon_'));

/** Names of series that the metrics make. */
const series = new Map(
  registered.flatMap(({ name, type, labels }) => {
    const own = new Set(labels);
    return type === 'histogram'
      ? [
          [`${name}_bucket`, new Set([...own, 'le'])],
          [`${name}_sum`, own],
          [`${name}_count`, own],
        ]
      : [[name, own]];
  }) as [string, Set<string>][],
);
const targetLabels = ['job', 'instance', 'alertname'];

function checkExpression(expr: string, where: string): void {
  const recorded = new Set(rules.flatMap((rule) => rule.record ?? []));
  for (const [name] of expr.matchAll(/\b(?:gomon|process|nodejs)[_:][a-zA-Z0-9_:]+/g))
    expect(series.has(name) || recorded.has(name), `${name} in ${where}`).toBe(true);
  for (const [, name = '', selector = ''] of expr.matchAll(/\b(gomon_[a-z0-9_]+)\{([^}]*)\}/g)) {
    const used = [...selector.matchAll(/([a-z_]+)\s*(?:=~|!~|!=|=)/g)].map((match) => match[1] ?? '');
    const known = [...(series.get(name) ?? []), ...targetLabels];
    expect(
      used.filter((label) => !known.includes(label)),
      `labels of ${name} in ${where}`,
    ).toEqual([]);
  }
}

const run = promisify(execFile);
const promtool = (args: string[]): Promise<unknown> => run('promtool', args);
const hasPromtool = await promtool(['--version']).then(
  () => true,
  () => false,
);

describe('docs/metrics.md', () => {
  it('names every metric with its type and labels, and none that does not exist', () => {
    const rows = [...docs.matchAll(/^\| `(gomon_[a-z0-9_]+)` +\| ([a-z]+) +\| ([^|]*?) +\|/gm)].map(
      ([, name = '', type = '', labels = '']) => ({
        name,
        type,
        labels: [...labels.matchAll(/`([a-z]+)`/g)].map((match) => match[1] ?? ''),
      }),
    );
    const byName = (a: { name: string }, b: { name: string }): number => a.name.localeCompare(b.name);
    expect(rows.toSorted(byName)).toEqual(ours.toSorted(byName));
  });

  it("names Node's own, too", () => {
    const named = [...docs.matchAll(/`((?:process|nodejs)_[a-z0-9_]+)`/g)].map((match) => match[1] ?? '');
    const others = registered.flatMap(({ name }) => (name.startsWith('gomon_') ? [] : [name]));
    // Some are there on Linux only.
    expect(others.filter((name) => !named.includes(name))).toEqual([]);
    expect(new Set(named).size).toBe(named.length);
  });
});

describe('deploy/prometheus/gomon.rules.yml', () => {
  it.each(rules.map((rule) => [rule.alert ?? rule.record ?? '', rule] as const))(
    '%s uses only what there is',
    (name, rule) => checkExpression(rule.expr, name),
  );

  it('says of every alert what to do, and of no other', () => {
    const alerts = rules.flatMap((rule) => rule.alert ?? []);
    const sections = [...operations.matchAll(/^#### (Gomon\w+)$/gm)].map((match) => match[1] ?? '');
    expect(sections.toSorted()).toEqual(alerts.toSorted());
    for (const rule of rules.filter((one) => one.alert !== undefined)) {
      expect(rule.annotations?.['runbook_url']).toBe(`docs/operations.md#${rule.alert?.toLowerCase()}`);
      expect(rule.annotations?.['summary']).toBeTruthy();
    }
  });

  it.skipIf(!hasPromtool)('is what Prometheus takes, and fires when it should', async () => {
    const folder = new URL('../deploy/prometheus/', import.meta.url).pathname;
    await promtool(['check', 'rules', path.join(folder, 'gomon.rules.yml')]);
    await promtool(['test', 'rules', path.join(folder, 'gomon.rules.test.yml')]);
  });
});

describe('deploy/grafana/dashboards/gomon.json', () => {
  const expressions = dashboard.panels.flatMap((panel) =>
    (panel.targets ?? []).map(({ expr }) => [panel.title, expr] as const),
  );

  it('shows something in every panel, each under a number of its own', () => {
    const graphs = dashboard.panels.filter((panel) => panel.type !== 'row');
    expect(graphs.filter((panel) => (panel.targets ?? []).length === 0)).toEqual([]);
    expect(new Set(dashboard.panels.map((panel) => panel.id)).size).toBe(dashboard.panels.length);
  });

  it.each(expressions)('%s uses only what there is: %s', (title, expr) => checkExpression(expr, title));

  it('shows every metric of ours', () => {
    const all = expressions.map(([, expr]) => expr).join('\n');
    // Recorded by the rules, of which the dashboard shows the results.
    const missing = ours.filter(({ name }) => !all.includes(name)).map(({ name }) => name);
    expect(missing).toEqual([]);
  });

  it.skipIf(!hasPromtool)('has expressions that Prometheus takes', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'gomon-promql-'));
    try {
      const file = path.join(folder, 'rules.yml');
      const asRules = expressions.map(([, expr], index) => ({
        record: `dashboard:${index}`,
        expr: expr.replaceAll('$__rate_interval', '5m').replaceAll('$job', 'gomon'),
      }));
      await writeFile(file, stringify({ groups: [{ name: 'dashboard', rules: asRules }] }));
      await promtool(['check', 'rules', file]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
