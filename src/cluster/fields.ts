import { isObject } from '../lib/found.ts';
import type { KubeObject } from './cluster-view.ts';

/**
 * Reading raw objects: whatever an API server, an old controller or a person with
 * kubectl wrote, these answer something of the right type and never throw.
 */

export type Fields = Record<string, unknown>;

const nothing: Fields = Object.freeze({});

export function fields(value: unknown): Fields {
  return isObject(value) ? value : nothing;
}

/** The objects of a list; anything else in it is left out. */
export function list(value: unknown): Fields[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

export function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}

export function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

export function number(value: unknown, otherwise: number): number;
export function number(value: unknown): number | null;
export function number(value: unknown, otherwise: number | null = null): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : otherwise;
}

/** A time as the API writes it; YAML readers may have made a Date of it already. */
export function time(value: unknown): Date | null {
  if (value instanceof Date) return value;
  if (typeof value !== 'string') return null;
  const ms = Date.parse(value);
  return Number.isNaN(ms) ? null : new Date(ms);
}

export function labelsOf(object: KubeObject): Record<string, string> {
  return object.metadata.labels ?? {};
}

export function createdAt(object: KubeObject): Date | null {
  return time(object.metadata.creationTimestamp);
}

/** Milliseconds since the object was made; 0 where it does not say. */
export function ageMs(object: KubeObject, now: Date): number {
  const created = createdAt(object);
  return created === null ? 0 : now.getTime() - created.getTime();
}

export function isTerminating(object: KubeObject): boolean {
  return object.metadata.deletionTimestamp !== undefined && object.metadata.deletionTimestamp !== null;
}

export type StatusCondition = {
  status: 'True' | 'False' | 'Unknown';
  reason: string;
  message: string;
  /** `lastTransitionTime`. */
  since: Date | null;
  updatedAt: Date | null;
};

/** The entry of `status.conditions` of a type; undefined when there is none. */
export function statusCondition(object: KubeObject, type: string): StatusCondition | undefined {
  const found = list(fields(object.status)['conditions']).find((condition) => condition['type'] === type);
  if (found === undefined) return undefined;
  const { status } = found;
  return {
    status: status === 'True' || status === 'False' ? status : 'Unknown',
    reason: text(found['reason']) ?? '',
    message: text(found['message']) ?? '',
    since: time(found['lastTransitionTime']),
    updatedAt: time(found['lastUpdateTime']),
  };
}

/** Whether labels fit a `matchLabels`-like map; an empty one fits nothing here, as for Services. */
export function selects(selector: unknown, labels: Record<string, string>): boolean {
  const wanted = Object.entries(fields(selector));
  return wanted.length > 0 && wanted.every(([name, value]) => labels[name] === value);
}

/** A count or a percentage ("25%") of `total`; `round` says which way halves of a pod go. */
export function intOrPercent(value: unknown, total: number, round: 'up' | 'down'): number | null {
  if (typeof value === 'number') return value;
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(text(value) ?? '')?.[1];
  if (percent === undefined) return /^\d+$/.test(text(value) ?? '') ? Number(value) : null;
  const part = (Number(percent) / 100) * total;
  return round === 'up' ? Math.ceil(part) : Math.floor(part);
}
