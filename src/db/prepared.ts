import { type PostgresPool, type PostgresPoolClient, sql } from 'kysely';
import type pg from 'pg';
import { databaseTrouble } from './errors.ts';

const mark = '/* prepared */';

/**
 * Stands at the beginning of an INSERT that runs all the time and whose text never
 * changes: every session of PostgreSQL then parses and plans it once instead of
 * each time, which for the wide tables costs more than writing a row. Not for
 * statements that look for rows: a plan made while the table was empty would be
 * kept while it grows. Not for statements built from parts either: their texts
 * would pile up in the sessions.
 */
export const prepared = sql.raw(mark);

const names = new Map<string, string>();

function nameOf(text: string): string | undefined {
  if (!text.trimStart().startsWith(mark)) return undefined;
  const name = names.get(text) ?? `gomon_${names.size + 1}`;
  names.set(text, name);
  return name;
}

/** The pool as kysely sees it, which itself knows nothing of names. */
export function preparing(pool: pg.Pool): PostgresPool {
  return {
    options: pool.options,
    end: () => pool.end(),
    async connect() {
      const client = await pool.connect();
      let isOfUse = true;
      const query = async (text: string, values: readonly unknown[]): Promise<pg.QueryResult> => {
        const name = nameOf(text);
        try {
          return await (name === undefined
            ? client.query(text, [...values])
            : client.query({ name, text, values: [...values] }));
        } catch (error) {
          // Broken, or at a server that became a standby: the next one to use it would meet the same.
          if (databaseTrouble(error) === 'unavailable') isOfUse = false;
          throw error;
        }
      };
      return {
        query,
        release: (destroy?: boolean) => client.release(destroy === true || !isOfUse),
      } as unknown as PostgresPoolClient;
    },
  };
}
