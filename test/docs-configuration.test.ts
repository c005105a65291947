import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { defaultSeverityWords } from '../src/alerts/severity-words.ts';
import { settingVariables } from '../src/config/env.ts';
import { secretPlaces } from '../src/config/secrets.ts';
import { type JsonSchema, settingsJsonSchema } from '../src/config/settings-schema.ts';

const text = await readFile(new URL('../docs/configuration.md', import.meta.url), 'utf8');
const quoted = new Set([...text.matchAll(/`([^`\n]+)`/g)].map((match) => match[1] ?? ''));
/** First cells of the tables of settings. */
const rows = [...text.matchAll(/^\| `([a-z][\w.-]*\.[\w.-]+|healthChecks)` +\|/gm)].map(
  (match) => match[1] ?? '',
);

function pathsOf(schema: JsonSchema, place: string[] = []): string[] {
  if (schema.properties === undefined) return [place.join('.')];
  return Object.entries(schema.properties).flatMap(([name, inner]) => pathsOf(inner, [...place, name]));
}

/** What every source can have is described once; what only Grafana has, under its name. */
const known = new Set(
  pathsOf(settingsJsonSchema()).map((path) =>
    path.replace(
      /^sources\.(grafana|alertmanager|api|kubernetes|health-check)\.(?!signature|timestamp|webhookSecret)/,
      'sources.NAME.',
    ),
  ),
);

describe('docs/configuration.md', () => {
  it('names every setting once, and none that does not exist', () => {
    expect(rows.toSorted()).toEqual([...known].toSorted());
  });

  it('names every environment variable beside its setting', () => {
    const places: Record<string, string> = { ...settingVariables };
    for (const { variable, path } of Object.values(secretPlaces)) places[variable] = path;
    const beside = [...text.matchAll(/^\| `([\w.-]+)` +\|[^|]*\| `([A-Z_]+)` +\|/gm)];
    const described = Object.fromEntries(beside.map(([, path = '', variable = '']) => [variable, path]));
    expect(described).toEqual(places);
    const variables = [...quoted].filter((word) => /^[A-Z]+(_[A-Z]+)+$/.test(word));
    const all = new Set([...Object.keys(places), 'GOMON_CONFIG']);
    expect(variables.filter((variable) => !all.has(variable))).toEqual([]);
    expect(quoted.has('GOMON_CONFIG')).toBe(true);
  });

  it('shows the table of severity words as it is', () => {
    for (const [severity, words] of Object.entries(defaultSeverityWords)) {
      expect(text).toMatch(new RegExp(`^\\| ${severity} +\\| ${words.join(', ')} +\\|$`, 'm'));
    }
  });
});
