import path from 'node:path';
import { defineConfig } from 'vitest/config';

/** The suffix says what a test needs: nothing, a PostgreSQL, or the whole service. */
const pg = '{src,sandbox,test}/**/*.pg.test.ts';
const scenario = '{src,sandbox,test}/**/*.scenario.test.ts';
const reference = 'test/reference/**/*.test.ts';
/** Takes minutes, and is run by itself: `npm run test:long`. */
const long = 'test/long/**/*.long.test.ts';

/** The folder with recorded payloads, when there is one; workers may run elsewhere, so it is made absolute. */
const referenceData = process.env['GOMON_REFERENCE_DATA'];
if (referenceData !== undefined && referenceData !== '')
  process.env['GOMON_REFERENCE_DATA'] = path.resolve(referenceData);

/** Coverage says something about the whole run only: not about one file, one project, or a watch. */
const isWholeRun = process.argv.slice(2).join(' ') === 'run';

const database = { globalSetup: ['test/support/postgres-server.ts'] };

export default defineConfig({
  test: {
    // For two cores: half of the time a test waits for a server or a process.
    maxWorkers: 3,
    reporters: ['default', './test/support/summary-reporter.ts'],
    coverage: {
      enabled: isWholeRun,
      provider: 'v8',
      include: ['src/**/*.ts'],
      exclude: ['**/*.test.ts'],
      reporter: ['text-summary'],
      thresholds: { lines: 85 },
    },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['{src,sandbox,test}/**/*.test.ts'],
          exclude: [pg, scenario, reference, long],
        },
      },
      { extends: true, test: { ...database, name: 'pg', include: [pg], exclude: [reference] } },
      { extends: true, test: { ...database, name: 'scenario', include: [scenario], exclude: [reference] } },
      ...(process.argv.includes('long')
        ? [{ extends: true as const, test: { ...database, name: 'long', include: [long] } }]
        : []),
      ...(referenceData === undefined || referenceData === ''
        ? []
        : [{ extends: true as const, test: { name: 'reference', include: [reference] } }]),
    ],
    testTimeout: 20_000,
    hookTimeout: 60_000,
    passWithNoTests: false,
  },
});
