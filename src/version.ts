import { createRequire } from 'node:module';

/** Of the package; shown by `gomon --version`, the API's description and the log. */
export const { version } = createRequire(import.meta.url)('../package.json') as { version: string };
