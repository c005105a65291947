import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadConfig } from './load.ts';
import { checkReport } from './problem.ts';
import { Settings } from './settings.ts';
import { type JsonSchema, settingsJsonSchema } from './settings-schema.ts';

const file = fileURLToPath(new URL('../../gomon.example.yaml', import.meta.url));
const text = await readFile(file, 'utf8');
/** With the settings that are commented out (# and no blank). */
const complete = parse(text.replaceAll(/^( *)#(?=\S)/gm, '$1')) as Record<string, unknown>;

function settingsOf(schema: JsonSchema, place: string[] = []): string[] {
  if (schema.properties === undefined) return [place.join('.')];
  return Object.entries(schema.properties).flatMap(([name, inner]) => settingsOf(inner, [...place, name]));
}

/** A mapping of whatever names (channel to channel) is one setting, and a leaf like any other. */
const openMappings = new Set(settingsOf(settingsJsonSchema()));

function leavesOf(value: unknown, place: string[] = []): string[] {
  const isMapping = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isMapping || openMappings.has(place.join('.'))) return [place.join('.')];
  return Object.entries(value).flatMap(([name, inner]) => leavesOf(inner, [...place, name]));
}

/** What every source can have is explained once, under grafana. */
const once = (place: string): string =>
  place.replace(/^sources\.(alertmanager|api|kubernetes|health-check)\./, 'sources.grafana.');

describe('gomon.example.yaml', () => {
  it('explains every setting there is, and none that is not', () => {
    const known = new Set(settingsOf(settingsJsonSchema()).map(once));
    const explained = new Set(leavesOf(complete).map(once));
    expect([...known].filter((place) => !explained.has(place))).toEqual([]);
    expect([...explained].filter((place) => !known.has(place))).toEqual([]);
  });

  it('is valid as it stands, and sets nothing but defaults', async () => {
    const cwd = path.dirname(file);
    const example = await loadConfig({ argvConfigPath: file, env: {}, cwd });
    if (!example.ok) throw new Error(checkReport(example.problems));
    const defaults = Settings.parse({});
    defaults.database.dataDir = path.join(cwd, 'data');
    expect(example.config.settings).toEqual(defaults);
  });

  it('has a line of explanation for every setting in the schema', () => {
    const missing = (schema: JsonSchema, place: string): string[] => [
      ...(schema.description === undefined ? [place] : []),
      ...Object.entries(schema.properties ?? {}).flatMap(([name, inner]) =>
        missing(inner, `${place}.${name}`),
      ),
    ];
    const { properties = {} } = settingsJsonSchema();
    expect(Object.entries(properties).flatMap(([name, inner]) => missing(inner, name))).toEqual([]);
  });
});
