import type { DatabaseState } from './database-check.ts';

export type DependencyState = { state: 'ok' | 'off' | 'failing'; detail?: string };

/** What we last heard of the systems around us. Only the database decides whether we are ready. */
export class Health {
  #phase: 'starting' | 'ready' | 'stopping' = 'starting';
  readonly #dependencies = new Map<string, DependencyState>();

  register(name: string, on: boolean): void {
    this.#dependencies.set(name, { state: on ? 'ok' : 'off' });
  }

  off(): string[] {
    return [...this.#dependencies].flatMap(([name, { state }]) => (state === 'off' ? [name] : []));
  }

  ok(name: string): void {
    this.#dependencies.set(name, { state: 'ok' });
  }

  failing(name: string, detail: string): void {
    this.#dependencies.set(name, { state: 'failing', detail: detail.slice(0, 300) });
  }

  started(): void {
    if (this.#phase === 'starting') this.#phase = 'ready';
  }

  stopping(): void {
    this.#phase = 'stopping';
  }

  get isStopping(): boolean {
    return this.#phase === 'stopping';
  }

  /**
   * A pool that is full is this process's trouble and passes: the database is there.
   * @param troubles what is asked for at this moment (the database knows some, and every process answers alike), by dependency.
   * @param notes for people, of what is well.
   */
  readiness(
    found: DatabaseState,
    troubles: Record<string, string[]> = {},
    notes: Record<string, string[]> = {},
  ): {
    ready: boolean;
    state: 'starting' | 'ready' | 'stopping' | 'database-away';
    dependencies: Record<string, DependencyState>;
  } {
    const database: DependencyState =
      found.state === 'ok' ? { state: 'ok' } : { state: 'failing', detail: found.detail };
    const state = this.#phase === 'ready' && found.state === 'away' ? 'database-away' : this.#phase;
    return {
      ready: state === 'ready',
      state,
      dependencies: { database, ...this.#withTroubles(troubles, notes) },
    };
  }

  #withTroubles(
    troubles: Record<string, string[]>,
    notes: Record<string, string[]>,
  ): Record<string, DependencyState> {
    return Object.fromEntries(
      [...this.#dependencies].map(([name, known]) => {
        const more = troubles[name] ?? [];
        const noted = notes[name] ?? [];
        if (more.length === 0 && noted.length > 0 && known.state === 'ok')
          return [name, { state: known.state, detail: noted.join('; ').slice(0, 2_000) }];
        if (more.length === 0) return [name, known];
        const { detail: last } = known;
        const isSaid = last === undefined || more.some((one) => one.includes(last));
        const detail = [...more, ...(isSaid ? [] : [last])].join('; ');
        return [name, { state: 'failing' as const, detail: detail.slice(0, 2_000) }];
      }),
    );
  }
}
