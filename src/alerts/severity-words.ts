import type { Severity } from './alert.ts';

/**
 * Severity is free text at every sender. This table puts the words found in
 * public rule sets and vendors' scales onto ours. Warning is half of all rules
 * and must not page; a third says critical, so P0 takes a more explicit word.
 * Bare numbers are left out on purpose: "1" is the lowest level of some rule
 * sets and the highest of others.
 */
export const defaultSeverityWords: Record<Severity, string[]> = {
  P0: ['emergency', 'emerg', 'disaster', 'fatal', 'blocker', 'p0', 'sev0', 's0'],
  P1: ['critical', 'crit', 'page', 'alert', 'p1', 'sev1', 's1'],
  P2: ['error', 'err', 'high', 'major', 'average', 'medium', 'urgent', 'p2', 'sev2', 's2'],
  P3: ['warning', 'warn', 'minor', 'notify', 'ticket', 'task', 'low', 'p3', 'sev3', 's3'],
  P4: [
    'info',
    'information',
    'informational',
    'notice',
    'debug',
    'none',
    'ok',
    'p4',
    'p5',
    'sev4',
    'sev5',
    's4',
    'not classified',
    'no severity',
  ],
};

/** Stored, but not told to anybody. */
export const mutedSeverityWord = 'none';

/** How a word is compared: trimmed, lower case, single spaces. */
export function severityWord(text: string): string {
  return text.trim().toLowerCase().replace(/\s+/g, ' ');
}
