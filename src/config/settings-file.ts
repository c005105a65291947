import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml';
import type { Problem } from './problem.ts';

const maxFileChars = 1024 * 1024;

export type SettingsFile = {
  /** Absolute. */
  file: string;
  folder: string;
  content: Record<string, unknown>;
  /** `gomon.yaml:12`, for a place in it. */
  locate(path: readonly PropertyKey[]): string | undefined;
};

/** Reads a YAML 1.2 file. What is wrong with its form is told with line and column. */
export async function readSettingsFile(file: string): Promise<SettingsFile | { problems: Problem[] }> {
  const name = path.basename(file);
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => error);
  if (typeof text !== 'string') {
    const found =
      text.code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${text.code ?? text.message})`;
    return {
      problems: [
        { path: file, found, allowed: 'a YAML file we may read', remedy: 'correct --config or GOMON_CONFIG' },
      ],
    };
  }
  if (text.length > maxFileChars) {
    const found = `${text.length} characters`;
    return {
      problems: [{ path: file, found, allowed: `at most ${maxFileChars}`, remedy: 'is it the right file?' }],
    };
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, version: '1.2', prettyErrors: false });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${name}:${line}:${col}`;
  };
  if (document.errors.length > 0) {
    return {
      problems: document.errors.slice(0, 10).map((error) => ({
        path: `line ${lines.linePos(error.pos[0]).line}`,
        where: at(error.pos[0]),
        found: error.message,
        allowed: 'YAML 1.2',
        remedy: 'mend the line; indentation is by blanks, text with : or # in it needs quotes',
      })),
    };
  }
  let content: unknown;
  try {
    content = document.toJS({ maxAliasCount: 100 }) ?? {};
  } catch (error) {
    return {
      problems: [
        { path: file, found: (error as Error).message, allowed: 'a few aliases', remedy: 'write it out' },
      ],
    };
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    return {
      problems: [
        {
          path: file,
          found: 'no mapping',
          allowed: 'settings as name: value',
          remedy: 'see gomon.example.yaml',
        },
      ],
    };
  }
  const locate = (place: readonly PropertyKey[]): string | undefined => {
    const parent: unknown = place.length <= 1 ? document.contents : document.getIn(place.slice(0, -1), true);
    const step = String(place.at(-1));
    const pairs = isMap(parent) ? parent.items : [];
    const key = pairs.find((pair) => isScalar(pair.key) && String(pair.key.value) === step)?.key;
    const node = isNode(key) ? key : document.getIn(place, true);
    if (isNode(node) && node.range) return at(node.range[0]);
    // What is missing stands nowhere; the place where it belongs does.
    return place.length === 0 ? undefined : locate(place.slice(0, -1));
  };
  return { file, folder: path.dirname(file), content: content as Record<string, unknown>, locate };
}
