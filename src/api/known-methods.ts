import type { FastifyInstance } from 'fastify';

/** Which methods the routes take, so that a wrong one is told from an unknown path. */
export class KnownMethods {
  readonly #routes = new Map<string, { pattern: RegExp; methods: Set<string> }>();

  /** Has to be called before the routes are registered. */
  watch(app: FastifyInstance): void {
    app.addHook('onRoute', ({ url, method }) => {
      const route = this.#routes.get(url) ?? { pattern: patternOf(url), methods: new Set() };
      for (const one of Array.isArray(method) ? method : [method]) route.methods.add(one);
      this.#routes.set(url, route);
    });
  }

  /** For a path without its query, in the order of registration; empty where there is no such path. */
  of(path: string): string[] {
    const methods = new Set<string>();
    for (const route of this.#routes.values()) {
      if (!route.pattern.test(path)) continue;
      for (const method of route.methods) methods.add(method);
    }
    return [...methods];
  }
}

/** `/api/v1/alerts/:id`; a slash at the end does not count. */
function patternOf(url: string): RegExp {
  const parts = url
    .replace(/\/+$/, '')
    .split('/')
    .map((part) => {
      if (part === '*') return '.*';
      return part.startsWith(':') ? '[^/]+' : part.replaceAll(/[^\w-]/g, String.raw`\$&`);
    });
  return new RegExp(`^${parts.join('/')}/?$`);
}
