import { timingSafeEqual } from 'node:crypto';
import type { Answer, Route } from './answer.ts';

type RoutedCall = { method: string; path: string; body: unknown };

/** The API without faults: key, body, route. */
export function answerApi(
  routes: readonly Route[],
  call: RoutedCall,
  query: URLSearchParams,
  text: string | null,
  authorized: boolean,
): Answer {
  if (!authorized) return { status: 401, body: { message: 'Could not authenticate' } };
  if (text === null) return { status: 413, body: { message: 'Request body is too large' } };
  const body = parseBody(text);
  if (body === null) return { status: 400, body: { message: 'Could not parse request body' } };
  call.body = text === '' ? null : body;
  const matching = routes.flatMap((route) => {
    const found = route.path.exec(call.path);
    return found ? [{ route, params: found.slice(1).map(decodeURIComponent) }] : [];
  });
  // "/requests/x" and "/create" also look like an id and its part: the first route written wins.
  const match = matching.find(({ route }) => route.method === call.method);
  if (match) return match.route.answer({ query, body, params: match.params });
  const status = matching.length > 0 ? 405 : 404;
  return { status, body: { message: status === 405 ? 'Method not allowed' : 'No such path' } };
}

export function authorizes(header: string | undefined, apiKey: string): boolean {
  const expected = Buffer.from(`GenieKey ${apiKey}`);
  const given = Buffer.from(header ?? '');
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function parseBody(text: string): Record<string, unknown> | null {
  if (text === '') return {};
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === 'object' && body !== null && !Array.isArray(body)
      ? (body as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}
