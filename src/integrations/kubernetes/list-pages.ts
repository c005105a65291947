import type { KubernetesConnection } from './connection.ts';
import { failure, type KubeFailure } from './failure.ts';

export type ListedPage = { items: unknown[]; kind: string; resourceVersion: string; continue: string | null };

/** As many objects in one page as kubectl asks for. */
const pageSize = 500;
/** A list of that many pages does not end. */
const mostPages = 2_000;

export type ListQuestion = {
  path: string;
  accept: string;
  fieldSelector?: string;
  pageMs: number;
};

/**
 * Lists a collection page by page.
 * Where the rest of a list has expired on the way (410: it took longer than the
 * server keeps versions), it is listed anew and whole, as client-go does.
 * @param onPage takes the items; false ends the list.
 * @returns the version to watch from; null where `onPage` ended it.
 */
export async function listPages(
  connection: KubernetesConnection,
  question: ListQuestion,
  onPage: (page: ListedPage) => boolean,
  onRestart: () => void,
  signal: AbortSignal,
): Promise<{ ok: true; resourceVersion: string | null } | KubeFailure> {
  let token: string | null = null;
  let isPaged = true;
  for (let page = 0; page < mostPages; page += 1) {
    const answer = await connection.call(
      {
        path: question.path,
        accept: question.accept,
        timeoutMs: question.pageMs,
        ...(!isPaged && { maxBodyBytes: 256 * 1024 * 1024 }),
        query: {
          ...(isPaged && { limit: pageSize }),
          ...(token !== null && { continue: token }),
          ...(question.fieldSelector !== undefined && { fieldSelector: question.fieldSelector }),
        },
      },
      signal,
    );
    if (!answer.ok) {
      if (answer.kind !== 'expired' || token === null) return answer;
      token = null;
      isPaged = false;
      onRestart();
      continue;
    }
    const listed = readList(answer.text);
    if (listed === null)
      return failure('bad-answer', 'not-a-list', 'the API server answered with something that is no list');
    if (!onPage(listed)) return { ok: true, resourceVersion: null };
    token = listed.continue;
    if (token === null) return { ok: true, resourceVersion: listed.resourceVersion };
  }
  return failure('bad-answer', 'endless', 'the list of the API server does not end');
}

function readList(text: string): ListedPage | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof parsed !== 'object' || parsed === null) return null;
  const { items, kind, metadata } = parsed as Record<string, unknown>;
  // An empty list of some servers is null.
  if (!Array.isArray(items) && items !== null) return null;
  if (typeof kind !== 'string' || !kind.endsWith('List')) return null;
  const meta = (metadata ?? {}) as Record<string, unknown>;
  const token = meta['continue'];
  return {
    items: (items ?? []) as unknown[],
    kind,
    resourceVersion: typeof meta['resourceVersion'] === 'string' ? meta['resourceVersion'] : '',
    continue: typeof token === 'string' && token !== '' ? token : null,
  };
}
