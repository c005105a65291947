import { stripVTControlCharacters } from 'node:util';
import type { KubernetesConnection } from './connection.ts';
import type { KubeFailure } from './failure.ts';
import { maskSecrets } from './mask-secrets.ts';

const mostLines = 20;
const mostBytes = 4 * 1024;
/** The head of a line says what it is; the name of a secret stands before its value, so it is kept. */
const longestLine = 1_000;
/**
 * The server cuts from the end of what it was asked for, so a limit of 4 KiB would
 * lose the newest lines, which are those that matter.
 */
const askedBytes = 256 * 1024;

export type LogLines =
  | { ok: true; lines: string[] }
  /** `none`: the container has not run, or not before. */
  | { ok: false; reason: 'none' | 'forbidden' | 'gone' | 'unreachable'; detail: string };

/**
 * The last words of a container: at most 20 lines and 4 KiB, with secrets masked
 * and without colours.
 * @param of `previous`: of the run that crashed, not of the present one.
 */
export async function readLastLogLines(
  connection: KubernetesConnection,
  of: { namespace: string; pod: string; container: string; previous: boolean },
  signal: AbortSignal,
): Promise<LogLines> {
  const answer = await connection.call(
    {
      path: `/api/v1/namespaces/${encodeURIComponent(of.namespace)}/pods/${encodeURIComponent(of.pod)}/log`,
      query: {
        container: of.container,
        previous: of.previous,
        tailLines: mostLines,
        limitBytes: askedBytes,
      },
      accept: '*/*',
      timeoutMs: 5_000,
      maxBodyBytes: askedBytes + 1_024,
    },
    signal,
  );
  return answer.ok ? { ok: true, lines: readableLines(answer.text) } : refusal(answer);
}

/** What of a log people may see. */
export function readableLines(text: string): string[] {
  const lines = stripVTControlCharacters(text)
    // Progress bars overwrite their line, and NUL is no text.
    .replaceAll(/[^\S\n]*\r(?!\n)/g, '\n')
    .replaceAll(/[\0-\x08\x0b-\x1f\x7f]/g, '')
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '')
    .slice(-mostLines)
    .map((line) => (line.length > longestLine ? `${line.slice(0, longestLine)}…` : line));
  // Masked as one text: a key in PEM goes over several lines.
  const masked = maskSecrets(lines.join('\n')).split('\n');
  const kept: string[] = [];
  let bytes = 0;
  for (const line of masked.toReversed()) {
    bytes += Buffer.byteLength(line) + 1;
    if (bytes > mostBytes) break;
    kept.unshift(line);
  }
  return kept;
}

function refusal(failure: KubeFailure): LogLines {
  const { detail } = failure;
  switch (failure.kind) {
    case 'forbidden':
    case 'unauthorized':
      return { ok: false, reason: 'forbidden', detail };
    case 'absent':
      return { ok: false, reason: 'gone', detail };
    // 400: no such container, none before, or one that waits for its image.
    case 'refused':
      return { ok: false, reason: 'none', detail };
    default:
      return { ok: false, reason: 'unreachable', detail };
  }
}
