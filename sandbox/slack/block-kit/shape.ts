import { isObject } from '../json.ts';

/** What is wrong and where: a JSON pointer from the root of what was checked. */
export type Issue = { pointer: string; message: string };
export type Report = (pointer: string, message: string) => void;
/** Looks at one value and reports what Slack would not take. */
export type Rule = (value: unknown, pointer: string, report: Report) => void;

export type Fields = Record<string, Rule | { required: Rule }>;

export const anything: Rule = () => {};

export function text(limits: { min?: number; max: number }): Rule {
  const min = limits.min ?? 1;
  return (value, pointer, report) => {
    if (typeof value !== 'string') report(pointer, `must be a string`);
    else if (value.length < min) report(pointer, `must be more than ${min - 1} characters`);
    else if (value.length > limits.max) report(pointer, `must be less than ${limits.max + 1} characters`);
  };
}

export const flag: Rule = (value, pointer, report) => {
  if (typeof value !== 'boolean') report(pointer, 'must be a boolean');
};

export function integer(min: number, max: number): Rule {
  return (value, pointer, report) => {
    if (!Number.isInteger(value)) report(pointer, 'must be an integer');
    else if (Number(value) < min || Number(value) > max) report(pointer, `must be between ${min} and ${max}`);
  };
}

export const number: Rule = (value, pointer, report) => {
  if (typeof value !== 'number') report(pointer, 'must be a number');
};

export function oneOf(...allowed: readonly string[]): Rule {
  return (value, pointer, report) => {
    if (typeof value !== 'string' || !allowed.includes(value))
      report(pointer, `must be one of: ${allowed.join(', ')}`);
  };
}

export function matching(pattern: RegExp, hint: string): Rule {
  return (value, pointer, report) => {
    if (typeof value !== 'string' || !pattern.test(value)) report(pointer, hint);
  };
}

/** An absolute address with one of the schemes, at most 3,000 characters. */
export function address(...schemes: readonly string[]): Rule {
  const length = text({ max: 3000 });
  return (value, pointer, report) => {
    length(value, pointer, report);
    if (typeof value !== 'string' || value === '') return;
    const url = URL.canParse(value) ? new URL(value) : null;
    if (!url || (schemes.length > 0 && !schemes.includes(url.protocol.slice(0, -1))))
      report(pointer, 'invalid url');
  };
}

export function list(item: Rule, limits: { min?: number; max?: number } = {}): Rule {
  const { min = 0, max = Number.POSITIVE_INFINITY } = limits;
  return (value, pointer, report) => {
    if (!Array.isArray(value)) return report(pointer, 'must be an array');
    if (value.length < min) report(pointer, `no less than ${min} items allowed`);
    if (value.length > max) report(pointer, `no more than ${max} items allowed`);
    value.forEach((element, index) => item(element, `${pointer}/${index}`, report));
  };
}

/** An object with these fields and no others. `type` needs no rule when the caller chose by it. */
export function object(fields: Fields): Rule {
  return (value, pointer, report) => {
    if (!isObject(value)) return report(pointer, 'must be an object');
    for (const [name, field] of Object.entries(fields)) {
      const rule = typeof field === 'function' ? field : field.required;
      // Slack drops null fields, so a null one counts as absent.
      if (value[name] !== undefined && value[name] !== null) rule(value[name], `${pointer}/${name}`, report);
      else if (typeof field !== 'function') report(pointer, `missing required field: ${name}`);
    }
    for (const name of Object.keys(value)) {
      if (!Object.hasOwn(fields, name) && name !== 'type')
        report(pointer, `invalid additional property: ${name}`);
    }
  };
}

/** Chooses the rule by the `type` of the object. */
export function byType(rules: Record<string, Rule>): Rule {
  return (value, pointer, report) => {
    if (!isObject(value)) return report(pointer, 'must be an object');
    const { type } = value;
    if (type === undefined) return report(pointer, 'missing required field: type');
    if (typeof type !== 'string' || !Object.hasOwn(rules, type)) {
      return report(`${pointer}/type`, `unsupported type: ${String(type).slice(0, 80)}`);
    }
    rules[type]?.(value, pointer, report);
  };
}

export function both(...rules: readonly Rule[]): Rule {
  return (value, pointer, report) => {
    for (const rule of rules) rule(value, pointer, report);
  };
}

/** Counts which of the fields are there. */
export function countOf(names: readonly string[], limits: { min: number; max: number }): Rule {
  return (value, pointer, report) => {
    if (!isObject(value)) return;
    const present = names.filter((name) => value[name] !== undefined && value[name] !== null).length;
    if (present < limits.min) report(pointer, `missing required field: one of ${names.join(', ')}`);
    if (present > limits.max) report(pointer, `only one of ${names.join(', ')} allowed`);
  };
}
