import type { AlertSignal, ParsedDelivery, ParsedEntry } from '../../alerts/source.ts';
import { found, isObject } from '../../lib/found.ts';
import { labelsFingerprint } from '../../alerts/fingerprint.ts';
import { orgTenant } from './unified.ts';
import { readLabels, setLabel } from '../../lib/labels.ts';
import { webLinks } from '../../alerts/web-link.ts';

/**
 * Dashboard alerts from before unified alerting: one rule per request, no
 * `alerts`. A rule is `ruleId` in its organisation (0 in a test notification);
 * dashboard and panel stand in where a fork leaves it out, name and tags of the rule where an imitator has none
 * of them: not the tags of its series, which no `ok` repeats.
 */

export function isLegacy(body: Record<string, unknown>): boolean {
  return (
    !('alerts' in body) &&
    'state' in body &&
    ('evalMatches' in body || 'ruleId' in body || 'ruleName' in body) &&
    ('ruleName' in body || 'title' in body)
  );
}

export function parseLegacy(body: Record<string, unknown>): ParsedDelivery {
  return { ok: true, entries: [readLegacy(body)], format: 'Grafana legacy dashboard alerting' };
}

/**
 * What becomes of each state. No data fires, as it does for people in
 * Grafana's own list. A paused or pending rule says nothing about its
 * condition: it is refused by itself, visibly, and changes nothing.
 */
const states: Record<string, { status: 'firing' | 'resolved'; stateReason: string | null }> = {
  alerting: { status: 'firing', stateReason: null },
  no_data: { status: 'firing', stateReason: 'NoData' },
  ok: { status: 'resolved', stateReason: null },
};

function readLegacy(body: Record<string, unknown>): ParsedEntry {
  const state =
    typeof body['state'] === 'string' && Object.hasOwn(states, body['state'])
      ? states[body['state']]
      : undefined;
  if (state === undefined) {
    const known = Object.keys(states).join(', ');
    return {
      ok: false,
      reason: `state: expected one of ${known}, found ${found(body['state'])}; other states say nothing about the condition`,
    };
  }
  const tags = readLabels(body['tags'], 'tags');
  if (!tags.ok) return tags;
  const matches = readMatches(body['evalMatches']);
  const title = ruleTitle(body);
  const fingerprint = legacyFingerprint(body);
  if (title === undefined && fingerprint === null) {
    return {
      ok: false,
      reason: 'ruleId: expected a rule id, or a ruleName or title, to tell the rule from others, found none',
    };
  }
  const named = title === undefined ? {} : { alertname: title };
  const labels = joined([named, matches.tags, tags.labels]);
  const message = body['message'];
  return {
    ok: true,
    signal: {
      ...state,
      tenant: orgTenant(body['orgId']),
      fingerprint: fingerprint ?? `legacy-${labelsFingerprint(joined([named, tags.labels]))}`,
      labels,
      annotations: {},
      links: webLinks([
        ['source', body['ruleUrl']],
        ['image', body['imageUrl']],
      ]),
      values: matches.values,
      startsAt: null,
      endsAt: null,
      expiresAt: null,
      explicit: {
        ...(title === undefined ? {} : { title }),
        ...(typeof message === 'string' && message !== '' ? { description: message.toWellFormed() } : {}),
      },
    },
  };
}

/** Later maps go before earlier ones. */
function joined(maps: AlertSignal['labels'][]): AlertSignal['labels'] {
  const labels: AlertSignal['labels'] = {};
  for (const map of maps) for (const [name, value] of Object.entries(map)) setLabel(labels, name, value);
  return labels;
}

/** The rule's name; the title only without the state in front, which a resolve would change. */
function ruleTitle(body: Record<string, unknown>): string | undefined {
  for (const raw of [body['ruleName'], body['title']]) {
    if (typeof raw !== 'string') continue;
    const text = raw.toWellFormed().replace(/^\s*\[[^\]]{1,20}\]\s*/, '');
    if (text.trim() !== '') return text;
  }
  return undefined;
}

function legacyFingerprint(body: Record<string, unknown>): string | null {
  const parts = (['rule', 'dashboard', 'panel'] as const).flatMap((name) => {
    const id = body[`${name}Id`];
    return Number.isSafeInteger(id) || (typeof id === 'string' && id !== '') ? [`${name}-${String(id)}`] : [];
  });
  return parts.length === 0 ? null : `legacy-${parts.join('-')}`;
}

/** Values by metric, and the tags all matches share: what only one series says is not said of the rule. */
function readMatches(evalMatches: unknown): {
  values: Record<string, number> | null;
  tags: Record<string, string>;
} {
  const values: [string, number][] = [];
  let tags: [string, string][] | null = null;
  for (const match of Array.isArray(evalMatches) ? evalMatches.slice(0, 100) : []) {
    if (!isObject(match)) continue;
    if (typeof match['metric'] === 'string' && Number.isFinite(match['value'])) {
      values.push([match['metric'], match['value'] as number]);
    }
    const own = readLabels(match['tags'], 'tags');
    const map = own.ok ? own.labels : {};
    tags = (tags ?? Object.entries(map)).filter(
      ([name, value]) => name !== '__name__' && Object.hasOwn(map, name) && map[name] === value,
    );
  }
  return {
    values: values.length === 0 ? null : Object.fromEntries(values),
    tags: Object.fromEntries(tags ?? []),
  };
}
