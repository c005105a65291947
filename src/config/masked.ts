import { isSecretHeader } from './health-check-headers.ts';

/**
 * A setting for people, with what may be a secret taken out: the address of the
 * heartbeat carries it in its path, that of a health check in its query.
 * @param place where the value stands; it may be a whole section, or wrong.
 */
export function withoutSecrets(value: unknown, place: readonly PropertyKey[] = []): unknown {
  if (typeof value === 'string') return masked(value, place);
  if (Array.isArray(value)) return value.map((item, index) => withoutSecrets(item, [...place, index]));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, withoutSecrets(inner, [...place, name])]),
  );
}

function masked(text: string, place: readonly PropertyKey[]): string {
  const [section] = place;
  const name = String(place.at(-1));
  if (section === 'heartbeat' && (name === 'url' || place.length === 1)) return originOf(text);
  if (section !== 'healthChecks') return text;
  if (name === 'url') return text.replace(/[?#].*$/s, '?***');
  return place.at(-2) === 'headers' && isSecretHeader(name) && !/^(file|env):/.test(text) ? '***' : text;
}

function originOf(text: string): string {
  const url = URL.parse(text);
  return url?.protocol === 'http:' || url?.protocol === 'https:' ? `${url.origin}/***` : '***';
}
