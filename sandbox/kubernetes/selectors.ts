import type { ApiType } from './api-types.ts';
import type { SandboxObject } from './object-store.ts';
import { badRequest, type Status } from './status.ts';

export type Selector = (object: SandboxObject) => boolean;

/** `metadata.name=x,status.phase!=Running`; which fields there are depends on the kind, and others are refused. */
export function fieldSelector(type: ApiType, text: string): Selector | Status {
  const terms: Selector[] = [];
  for (const term of text.split(',').filter((part) => part !== '')) {
    const [, field = '', operator = '', value = ''] = /^([^=!]+)(==|!=|=)(.*)$/.exec(term) ?? [];
    if (operator === '') return badRequest(`invalid selector: '${text}'; can't understand '${term}'`);
    const isKnown = ['metadata.name', 'metadata.namespace', ...type.fields].includes(field);
    if (!isKnown) return badRequest(`field label not supported: ${field}`);
    terms.push((object) => (valueAt(object, field) === value) === (operator !== '!='));
  }
  return (object) => terms.every((fits) => fits(object));
}

/** Equality only: `app=x,tier!=y,present,!absent`. */
export function labelSelector(text: string): Selector | Status {
  const terms: Selector[] = [];
  for (const term of text.split(',').filter((part) => part !== '')) {
    const [, not = '', name = '', operator = '', value = ''] =
      /^(!?)([\w./-]+)(?:(==|!=|=)([\w.-]*))?$/.exec(term.trim()) ?? [];
    if (name === '') return badRequest(`unable to parse requirement: found '${term}'`);
    terms.push(({ metadata }) => {
      const found = (metadata['labels'] as Record<string, string> | undefined)?.[name];
      if (operator === '') return (found !== undefined) === (not === '');
      return operator === '!=' ? found !== value : found === value;
    });
  }
  return (object) => terms.every((fits) => fits(object));
}

function valueAt(object: SandboxObject, field: string): string {
  let value: unknown = object;
  for (const step of field.split('.'))
    value =
      typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[step] : undefined;
  return value === undefined || value === null ? '' : String(value);
}
