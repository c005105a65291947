import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { newId } from '../src/lib/ids.ts';

/**
 * The reference for what the database itself takes: rows as the service stored
 * them, inserted into a copy of its table with all indexes, a commit for each
 * statement, and nothing else written.
 */
export class RawInsert {
  readonly #pool: pg.Pool;
  readonly #connections: number;
  readonly #columns: string[];
  readonly #samples: (string | null)[][];

  private constructor(pool: pg.Pool, connections: number, columns: string[], samples: (string | null)[][]) {
    this.#pool = pool;
    this.#connections = connections;
    this.#columns = columns;
    this.#samples = samples;
  }

  /** Takes its rows from what the service has stored in this database so far. */
  static async open(databaseUrl: string, connections: number): Promise<RawInsert> {
    const pool = new pg.Pool({
      connectionString: databaseUrl,
      max: connections,
      statement_timeout: 30_000,
      application_name: 'gomon bench',
      // Values stay PostgreSQL's own text, to be sent back as they are.
      types: { getTypeParser: () => (text: string) => text },
    });
    // Setting by setting as `LIKE` does not copy storage parameters.
    await pool.query(
      'CREATE TABLE IF NOT EXISTS bench_alerts (LIKE alerts_active INCLUDING ALL) WITH (fillfactor = 85)',
    );
    const sample = await pool.query<(string | null)[]>({
      text: 'SELECT * FROM alerts_active ORDER BY id LIMIT 1000',
      rowMode: 'array',
    });
    if (sample.rows.length === 0) throw new Error('the service has stored nothing to take rows from');
    return new RawInsert(
      pool,
      connections,
      sample.fields.map((field) => field.name),
      sample.rows,
    );
  }

  /** Rows per second. All statements are made before the clock starts. */
  async run(rowCount: number, rowsPerStatement: number): Promise<number> {
    const values = Array.from({ length: rowCount / rowsPerStatement }, (_, statement) =>
      Array.from({ length: rowsPerStatement }, (__, row) =>
        this.#row(statement * rowsPerStatement + row),
      ).flat(),
    );
    const text = this.#statement(rowsPerStatement);
    const waiting = values.values();
    const startedAt = performance.now();
    await Promise.all(
      Array.from({ length: this.#connections }, async () => {
        const client = await this.#pool.connect();
        try {
          for (const parameters of waiting)
            await client.query({ name: `insert-${rowsPerStatement}`, text, values: parameters });
        } finally {
          client.release();
        }
      }),
    );
    return rowCount / ((performance.now() - startedAt) / 1_000);
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }

  #statement(rows: number): string {
    const names = this.#columns.map((name) => pg.escapeIdentifier(name));
    const tuples = Array.from({ length: rows }, (_, row) => {
      const places = names.map((__, column) => `$${row * names.length + column + 1}`);
      return `(${places.join(', ')})`;
    });
    return `INSERT INTO bench_alerts (${names.join(', ')}) VALUES ${tuples.join(', ')}`;
  }

  #row(number: number): (string | null)[] {
    const id = newId();
    const fresh: Record<string, string> = {
      id,
      correlation_id: id,
      fingerprint: randomBytes(8).toString('hex'),
    };
    const sample = this.#samples[number % this.#samples.length] ?? [];
    return sample.map((value, column) => fresh[this.#columns[column] ?? ''] ?? value);
  }
}
