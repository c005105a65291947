/**
 * Cron schedules as CronJobs have them: five fields, names, ranges, steps, lists,
 * `?`, `@daily` and its kin, and "day of month or day of week" when both are given.
 * https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#schedule-syntax
 */
export type Cron = {
  minutes: ReadonlySet<number>;
  hours: ReadonlySet<number>;
  days: ReadonlySet<number>;
  months: ReadonlySet<number>;
  weekdays: ReadonlySet<number>;
  /** Both day fields are restricted: either may fit. */
  eitherDay: boolean;
};

const macros: Record<string, string> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};
const monthNames = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const dayNames = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

/** Null for what the API server would have refused, and for `@every`, which has no fixed times. */
export function parseCron(schedule: string): Cron | null {
  const trimmed = schedule.trim();
  const parts = (macros[trimmed.toLowerCase()] ?? trimmed).split(/\s+/);
  if (parts.length !== 5) return null;
  const [minute = '', hour = '', day = '', month = '', weekday = ''] = parts;
  const minutes = parseField(minute, 0, 59, []);
  const hours = parseField(hour, 0, 23, []);
  const days = parseField(day, 1, 31, []);
  const months = parseField(month, 1, 12, monthNames);
  const weekdays = parseField(weekday, 0, 7, dayNames);
  if (minutes === null || hours === null || days === null || months === null || weekdays === null)
    return null;
  if (weekdays.has(7)) weekdays.add(0);
  return { minutes, hours, days, months, weekdays, eitherDay: !/^[*?]/.test(day) && !/^[*?]/.test(weekday) };
}

function parseField(field: string, least: number, most: number, names: string[]): Set<number> | null {
  const values = new Set<number>();
  for (const part of field.split(',')) {
    const [, range = '', step] = /^([^/]+)(?:\/(\d+))?$/.exec(part) ?? [];
    const by = step === undefined ? 1 : Number(step);
    if (range === '' || by < 1) return null;
    let from = least;
    let to = most;
    if (range !== '*' && range !== '?') {
      const [low = '', high] = range.split('-');
      const first = valueOf(low, least, names);
      const last = high === undefined ? first : valueOf(high, least, names);
      if (first === null || last === null || first < least || last > most || first > last) return null;
      from = first;
      // "5/10" means from 5 on.
      to = high === undefined && step !== undefined ? most : last;
    }
    for (let value = from; value <= to; value += by) values.add(value);
  }
  return values;
}

function valueOf(word: string, least: number, names: string[]): number | null {
  if (/^\d{1,2}$/.test(word)) return Number(word);
  const index = names.indexOf(word.toLowerCase());
  return index < 0 ? null : index + least;
}

const minuteMs = 60_000;
const dayMs = 86_400_000;
/** The 29th of February comes after eight years at the latest (around 2100). */
const farthestDays = 366 * 8 + 1;

/**
 * The first time after `after` at which the schedule runs, in its time zone (IANA
 * name; unknown ones and none: UTC). Null when it never does ("30 February").
 */
export function nextRun(cron: Cron, after: Date, timeZone = 'UTC'): Date | null {
  const zone = zoneOf(timeZone);
  // Wall-clock time as if it were UTC: days can then be counted without surprises.
  const startMs = Math.floor(after.getTime() / minuteMs) * minuteMs + minuteMs;
  const wall = new Date(startMs + offsetMs(zone, startMs));
  let day = Date.UTC(wall.getUTCFullYear(), wall.getUTCMonth(), wall.getUTCDate());
  for (let days = 0; days < farthestDays; days += 1, day += dayMs) {
    if (!dayFits(cron, new Date(day))) continue;
    for (const hour of sorted(cron.hours)) {
      for (const minute of sorted(cron.minutes)) {
        const wallMs = day + hour * 60 * minuteMs + minute * minuteMs;
        const ms = fromWall(zone, wallMs);
        // An hour that daylight saving skips does not run.
        if (ms !== null && ms >= startMs) return new Date(ms);
      }
    }
  }
  return null;
}

function dayFits(cron: Cron, day: Date): boolean {
  if (!cron.months.has(day.getUTCMonth() + 1)) return false;
  const dayOfMonth = cron.days.has(day.getUTCDate());
  const weekday = cron.weekdays.has(day.getUTCDay());
  return cron.eitherDay ? dayOfMonth || weekday : dayOfMonth && weekday;
}

function sorted(values: ReadonlySet<number>): number[] {
  return [...values].toSorted((a, b) => a - b);
}

const zones = new Map<string, Intl.DateTimeFormat | null>();

/** Null: UTC. */
function zoneOf(name: string): Intl.DateTimeFormat | null {
  const known = zones.get(name);
  if (known !== undefined) return known;
  let zone: Intl.DateTimeFormat | null = null;
  if (!/^(?:|UTC|Etc\/UTC)$/i.test(name)) {
    try {
      zone = new Intl.DateTimeFormat('en-US', {
        timeZone: name,
        hourCycle: 'h23',
        year: 'numeric',
        month: '2-digit',
        day: '2-digit',
        hour: '2-digit',
        minute: '2-digit',
        second: '2-digit',
      });
    } catch {
      zone = null;
    }
  }
  zones.set(name, zone);
  return zone;
}

function offsetMs(zone: Intl.DateTimeFormat | null, ms: number): number {
  if (zone === null) return 0;
  const parts = Object.fromEntries(
    zone.formatToParts(new Date(ms)).map(({ type, value }) => [type, Number(value)]),
  );
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(ms / 1_000) * 1_000;
}

function fromWall(zone: Intl.DateTimeFormat | null, wallMs: number): number | null {
  const guess = wallMs - offsetMs(zone, wallMs);
  const ms = wallMs - offsetMs(zone, guess);
  return ms + offsetMs(zone, ms) === wallMs ? ms : null;
}
