import { type Logger, pino } from 'pino';
import { createMask } from './mask.ts';

export type Log = Logger;

export type LogOptions = {
  /** The least grave lines written. */
  level: string;
  /** `pretty` is for people at a terminal and needs pino-pretty. */
  format?: 'json' | 'pretty';
  /** Standard output when absent; always JSON. */
  destination?: NodeJS.WritableStream;
  /** What is taken out of every line, wherever it stands. */
  secrets?: readonly string[];
};

/**
 * JSON lines on stdout: a fixed sentence as message, data in fields, an error
 * under `err`. ERROR: a person must act; WARN: mended itself or worth a look;
 * INFO: a fact of business; DEBUG: for us.
 */
export function createLog({ level, format = 'json', destination, secrets = [] }: LogOptions): Log {
  const options = {
    level,
    base: { service: 'gomon' },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: {
      paths: ['headers.authorization', 'headers.cookie', '*.token', '*.apiKey', '*.secret', '*.password'],
      censor: '***',
    },
    // Whatever a driver, a vendor or a URL repeats, on the line as it goes out.
    hooks: { streamWrite: createMask(secrets) },
  };
  if (destination !== undefined) return pino(options, destination);
  // A level formatter cannot travel to the thread that a transport runs in.
  const { formatters: _formatters, ...plain } = options;
  return format === 'pretty' ? pino({ ...plain, transport: { target: 'pino-pretty' } }) : pino(options);
}
