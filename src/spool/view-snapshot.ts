import type { KnownAlert } from '../alerts/apply-signal.ts';
import { sealed, unsealed } from './sealed-text.ts';
import type { SpoolFolder } from './spool-folder.ts';

/**
 * What this process knows of P0 and P1, kept in the folder of the spool: one that
 * starts while the database is away would else take the repeat of an alert that has
 * its message for news. Processes that share the folder share it, and the last to
 * write wins: all know nearly the same.
 */
export type ViewSnapshotOptions = {
  folder: SpoolFolder;
  /** Null while it must not be kept; it is asked for again later. */
  alerts: () => KnownAlert[] | null;
  now: () => Date;
  onTrouble: (error: unknown) => void;
};

const fileName = 'open-alerts.snapshot';
const magic = 'gomon-open-alerts-1';
/** Written at most so often, and for a twentieth of the time. */
const pauseMs = 1_000;
const shareOfTime = 20;
/** What is older says too little of today: to be told twice is better than not at all. */
const oldestMs = 24 * 3_600_000;

export class ViewSnapshot {
  readonly #options: ViewSnapshotOptions;
  #notBeforeMs = 0;
  #timer: NodeJS.Timeout | null = null;
  #writing: Promise<void> | null = null;
  #stopped = false;

  constructor(options: ViewSnapshotOptions) {
    this.#options = options;
  }

  /** There is something new to keep. */
  want(): void {
    if (this.#stopped || this.#timer !== null) return;
    const waitMs = Math.max(0, this.#notBeforeMs - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#writing = this.#write();
    }, waitMs);
    this.#timer.unref();
  }

  /** Keeps what is still to be kept, if it may. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const isWanted = this.#timer !== null;
    clearTimeout(this.#timer ?? undefined);
    await this.#writing;
    if (isWanted) await this.#write();
  }

  /** Empty when there is none, or none that can be believed. */
  async read(): Promise<KnownAlert[]> {
    const { folder, now } = this.#options;
    const body = unsealed(magic, (await folder.readOther(fileName)) ?? '');
    if (body === null) return [];
    const { savedAt, alerts } = JSON.parse(body) as { savedAt: string; alerts: Stored[] };
    const ageMs = now().getTime() - new Date(savedAt).getTime();
    return ageMs > oldestMs ? [] : alerts.map(revived);
  }

  async #write(): Promise<void> {
    const { folder, alerts, now, onTrouble } = this.#options;
    const begun = performance.now();
    try {
      const known = alerts();
      if (known !== null) {
        const body = JSON.stringify({ savedAt: now(), alerts: known.map(slim) });
        await folder.writeOther(fileName, sealed(magic, body));
      }
      const ended = performance.now();
      this.#notBeforeMs = ended + Math.max(pauseMs, (ended - begun) * shareOfTime);
      if (known === null) this.want();
    } catch (error) {
      this.#notBeforeMs = performance.now() + pauseMs;
      onTrouble(error);
    }
  }
}

type TimeName = { [Key in keyof KnownAlert]-?: Date extends KnownAlert[Key] ? Key : never }[keyof KnownAlert];
type Stored = Omit<KnownAlert, TimeName> & Record<TimeName, string | null>;

const times: Record<TimeName, true> = {
  startsAt: true,
  latestStartsAt: true,
  expiresAt: true,
  lastSeenAt: true,
  staleAt: true,
  receivedAt: true,
  resolveReceivedAt: true,
  createdAt: true,
  updatedAt: true,
  acknowledgedAt: true,
  resolvedAt: true,
};

/** Without what the next report brings along anyway. */
function slim(alert: KnownAlert): KnownAlert {
  return { ...alert, description: '', labels: {}, annotations: {}, links: [], values: null, traceIds: [] };
}

function revived(stored: Stored): KnownAlert {
  const read = Object.keys(times).map((name) => {
    const value = stored[name as TimeName];
    return [name, value === null ? null : new Date(value)];
  });
  return { ...stored, ...Object.fromEntries(read) } as KnownAlert;
}
