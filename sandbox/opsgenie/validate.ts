import { type SandboxPriority, type SandboxResponder, idOfName } from './state.ts';

/** Collects what is wrong with a body, field by field. Fields nobody reads are ignored, as the vendor does. */
export class BodyCheck {
  readonly errors: Record<string, string> = {};
  readonly #body: Record<string, unknown>;

  constructor(body: Record<string, unknown>) {
    this.#body = body;
  }

  get failed(): boolean {
    return Object.keys(this.errors).length > 0;
  }

  /** Characters are code points. */
  text(field: string, max: number, required: 'required' | 'optional' = 'optional'): string | undefined {
    const value = this.#body[field];
    if (value === undefined || value === null || value === '') {
      if (required === 'required') this.errors[field] = `${field} can not be empty.`;
      return undefined;
    }
    if (typeof value !== 'string') return this.#wrong(field, `${field} should be a text.`);
    if (Array.from(value).length > max)
      return this.#wrong(field, `${field} can not exceed ${max} characters.`);
    return value;
  }

  texts(field: string, maxItems: number, maxEach: number): string[] | undefined {
    const value = this.#body[field];
    if (value === undefined || value === null) return undefined;
    if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) {
      return this.#wrong(field, `${field} should be a list of texts.`);
    }
    if (value.length > maxItems)
      return this.#wrong(field, `${field} can not have more than ${maxItems} items.`);
    if (value.some((item) => item === '' || Array.from(item).length > maxEach)) {
      return this.#wrong(field, `each of ${field} should have 1 to ${maxEach} characters.`);
    }
    return value;
  }

  details(field: string): Record<string, string> | undefined {
    const value = this.#body[field];
    if (value === undefined || value === null) return undefined;
    if (typeof value !== 'object' || Array.isArray(value))
      return this.#wrong(field, `${field} should be a map.`);
    const entries = Object.entries(value);
    const texts = entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string');
    if (texts.length < entries.length) return this.#wrong(field, `${field} should map texts to texts.`);
    const length = texts.reduce((sum, [key, text]) => sum + key.length + text.length, 0);
    if (length > 8000) return this.#wrong(field, `${field} can not exceed 8000 characters in total.`);
    return Object.fromEntries(texts);
  }

  priority(required: 'required' | 'optional' = 'optional'): SandboxPriority | undefined {
    const value = this.#body['priority'];
    if (value === undefined && required === 'optional') return undefined;
    const known = (['P1', 'P2', 'P3', 'P4', 'P5'] as const).find((priority) => priority === value);
    return known ?? this.#wrong('priority', 'priority should be one of [P1, P2, P3, P4, P5].');
  }

  responders(field: string, types: readonly string[], maxItems = 50): SandboxResponder[] | undefined {
    const value = this.#body[field];
    if (value === undefined || value === null) return undefined;
    if (!Array.isArray(value)) return this.#wrong(field, `${field} should be a list.`);
    if (value.length > maxItems)
      return this.#wrong(field, `${field} can not have more than ${maxItems} items.`);
    const responders = value.map((item) => readResponder(item, types));
    const good = responders.filter((responder) => responder !== null);
    if (good.length < responders.length) {
      return this.#wrong(
        field,
        `each of ${field} needs a type of [${types.join(', ')}] with an id, or a name (user: username).`,
      );
    }
    return good;
  }

  responder(field: string, types: readonly string[]): SandboxResponder | undefined {
    return (
      readResponder(this.#body[field], types) ??
      this.#wrong(field, `${field} should be one object with a type, and an id or a name.`)
    );
  }

  /** `{id}` or `{username}` of a user, `{id}` or `{name}` of anything else. */
  reference(field: string, nameKey: 'name' | 'username'): string | undefined {
    const value = this.#body[field];
    const { id, [nameKey]: name } = (typeof value === 'object' && value !== null ? value : {}) as Record<
      string,
      unknown
    >;
    const found = [name, id].find((text) => typeof text === 'string' && text !== '');
    return typeof found === 'string' ? found : this.#wrong(field, `${field} needs an id or a ${nameKey}.`);
  }

  #wrong(field: string, problem: string): undefined {
    this.errors[field] = problem;
    return undefined;
  }
}

function readResponder(value: unknown, types: readonly string[]): SandboxResponder | null {
  if (typeof value !== 'object' || value === null) return null;
  const { type, id, name, username } = value as Record<string, unknown>;
  if (typeof type !== 'string' || !types.includes(type)) return null;
  const label = type === 'user' ? username : name;
  if (typeof id === 'string' && id !== '') return { type, id, name: id };
  return typeof label === 'string' && label !== '' ? { type, id: idOfName(label), name: label } : null;
}
