import { type Logger, pino } from 'pino';

export type Log = Logger;

/**
 * JSON lines on stdout: a fixed sentence as message, data in fields, an error
 * under `err`. ERROR: a person must act; WARN: mended itself or worth a look;
 * INFO: a fact of business; DEBUG: for us.
 */
export function createLog(level: string, destination?: NodeJS.WritableStream): Log {
  const options = {
    level,
    base: { service: 'gomon' },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: {
      paths: ['headers.authorization', 'headers.cookie', '*.token', '*.apiKey', '*.secret', '*.password'],
      censor: '***',
    },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}
