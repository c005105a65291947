import type { z } from 'zod';
import { nearest } from '../lib/nearest.ts';
import { withoutSecrets } from './masked.ts';
import { pathText, type Problem, shown } from './problem.ts';
import { allowedText, type JsonSchema, schemaAt, settingsJsonSchema } from './settings-schema.ts';

type Issue = z.core.$ZodIssue;
type Place = readonly PropertyKey[];

/** What the schema found wrong, as problems for people. `name` says how a place is called (an environment variable, or its path). */
export function toProblems(
  issues: readonly Issue[],
  input: unknown,
  context: { name(path: Place): string | undefined; locate(path: Place): string | undefined },
): Problem[] {
  const schema = settingsJsonSchema();
  return issues
    .flatMap((issue) => leaves(issue, []))
    .flatMap(({ issue, path }): Problem[] => {
      const where = context.locate(path);
      const position = where === undefined ? {} : { where };
      if (issue.code === 'unrecognized_keys') {
        return issue.keys.map((key) => unknownKey(schema, [...path, key], context.locate([...path, key])));
      }
      const value = valueAt(input, path);
      const variable = context.name(path);
      const allowed = issue.code === 'custom' ? issue.message : allowedText(schemaAt(schema, path) ?? {});
      return [
        {
          path: variable === undefined ? pathText(path) : `${variable} (${pathText(path)})`,
          ...position,
          found: shown(withoutSecrets(value, path)),
          allowed,
          remedy: remedyFor(path, value, schemaAt(schema, path), variable),
        },
      ];
    });
}

function unknownKey(schema: JsonSchema, path: Place, where: string | undefined): Problem {
  const key = String(path.at(-1));
  const parent = schemaAt(schema, path.slice(0, -1));
  const variants = [parent, ...(parent?.anyOf ?? [])];
  // Names of its own, or of a map that takes only certain ones.
  const known = [
    ...new Set(
      variants.flatMap((variant) => [
        ...Object.keys(variant?.properties ?? {}),
        ...(variant?.propertyNames?.enum ?? []).map(String),
      ]),
    ),
  ];
  const meant = nearest(key, known);
  return {
    path: pathText(path),
    ...(where !== undefined && { where }),
    // The value may be a secret under a wrong name.
    found: `an unknown setting "${key}"`,
    allowed: known.length === 0 ? 'nothing here' : known.join(', '),
    remedy: meant === undefined ? 'remove it' : `did you mean "${meant}"?`,
  };
}

function remedyFor(
  path: Place,
  value: unknown,
  schema: JsonSchema | undefined,
  variable: string | undefined,
): string {
  const isChannel =
    path.at(-1) === 'channel' || (path[0] === 'slack' && path[1] === 'channels' && path.length === 3);
  if (isChannel && (value === null || value === undefined)) {
    return "put the channel into quotes, as in '#alert-critical': YAML takes # for the start of a comment";
  }
  if (schema === undefined) return 'correct it';
  const choices = schema.enum ?? schema.anyOf?.find((variant) => variant.enum)?.enum;
  if (choices && typeof value === 'string') {
    const meant = nearest(value, choices.map(String));
    if (meant !== undefined) return `did you mean ${meant}?`;
  }
  if (value === undefined) return 'add it';
  const fallback = schema.default;
  const leave = variable === undefined ? 'leave it out' : `unset ${variable}`;
  return fallback === undefined
    ? 'correct it'
    : `correct it, or ${leave} for the default (${shown(fallback)})`;
}

/** A union reports each of its branches: the one that got furthest is the one that was meant. */
function leaves(issue: Issue, base: Place): { issue: Issue; path: Place }[] {
  const path = [...base, ...issue.path];
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return [{ issue, path }];
  const branches = issue.errors.map((issues) => issues.flatMap((inner) => leaves(inner, path)));
  const depth = (branch: { path: Place }[]): number => Math.max(0, ...branch.map((leaf) => leaf.path.length));
  const best = branches.reduce((one, other) => (depth(other) > depth(one) ? other : one));
  return best.every((leaf) => leaf.path.length === path.length) ? [{ issue, path }] : best;
}

function valueAt(input: unknown, path: Place): unknown {
  let value = input;
  for (const step of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[step];
  }
  return value;
}
