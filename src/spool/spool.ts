import type { IntakeRequest, IntakeResult, WithinCommit } from '../alerts/intake.ts';
import { Intake } from '../alerts/intake.ts';
import type { Db } from '../db/pool.ts';
import type { Clock } from '../lib/clock.ts';
import { newId } from '../lib/ids.ts';
import type { News, OutageTeller } from './outage-teller.ts';
import { readUrgent } from './read-urgent.ts';
import type { SpoolFolder } from './spool-folder.ts';
import { fromFileText, type IdempotencyClaim, toFileText } from './spooled-request.ts';
import { isPassing, setAside, takeIn, type TakenIn } from './take-in.ts';
import { messagesTold } from './told.ts';
import { UrgentView } from './urgent-view.ts';
import { ViewSnapshot } from './view-snapshot.ts';

/**
 * Where requests with a P0 or P1 wait while the database is away. They are taken in,
 * in the order of their arrival, before anybody else sees the database again, so
 * that a report which comes later is judged later.
 */
export type SpoolOptions = {
  folder: SpoolFolder;
  clock: Clock;
  /** Null: nobody is told before the database is back. */
  teller: OutageTeller | null;
  notifier: string;
  claim: (claim: IdempotencyClaim, at: Date) => WithinCommit;
  /** A way to the database that is open before it is for others. */
  openDatabase: () => { db: Db; close(): Promise<void> };
  isAway: () => boolean;
  observe: (event: SpoolEvent) => void;
};

export type SpoolEvent =
  | { kind: 'spooled'; deliveryId: string; request: IntakeRequest }
  | {
      kind: 'taken-in';
      id: string;
      taken: TakenIn;
      request: IntakeRequest | null;
      result: IntakeResult | null;
    }
  | { kind: 'refused'; reason: 'full' | 'failed'; error?: unknown }
  | { kind: 'trouble'; error: unknown };

export type Spooled =
  | { ok: true; deliveryId: string; received: number }
  /** `not-urgent`: its sender repeats it. `other-request`: its Idempotency-Key was used for another one. */
  | { ok: false; reason: 'not-urgent' | 'full' | 'failed' | 'other-request' };

type Committed = { request: IntakeRequest; result: IntakeResult };

/** Longer than this others do not wait for the spool to be empty. */
const othersWaitMs = 60_000;

export class Spool {
  readonly #options: SpoolOptions;
  readonly #view = new UrgentView();
  /** Keys of requests that lie in the spool. */
  readonly #keys = new Map<
    string,
    { requestHash: Buffer; answer: { deliveryId: string; received: number } }
  >();
  /** What is new in the requests that lie in the spool, by id. */
  readonly #news = new Map<string, News[]>();
  #emptying: Promise<void> | null = null;

  readonly #snapshot: ViewSnapshot;

  constructor(options: SpoolOptions) {
    this.#options = options;
    this.#snapshot = new ViewSnapshot({
      folder: options.folder,
      // What is news in a request that lies in the spool has to be news to the next process, too.
      alerts: () => (options.isAway() || this.#news.size > 0 ? null : this.#view.alerts),
      now: () => options.clock.now(),
      onTrouble: (error) => options.observe({ kind: 'trouble', error }),
    });
  }

  /** Requests that wait. */
  get count(): number {
    return this.#options.folder.count;
  }

  /** Reads what an earlier process left. Throws where the folder cannot be used; one file that cannot is no reason. */
  async open(): Promise<void> {
    const { folder, observe } = this.#options;
    await folder.prove();
    const known = await this.#snapshot.read().catch((error: unknown) => {
      observe({ kind: 'trouble', error });
      return [];
    });
    // As if read at the beginning of time: the first look at the database counts for more.
    this.#view.load(known, 0);
    for (const id of await folder.look())
      await this.#readLeft(id).catch((error: unknown) => observe({ kind: 'trouble', error }));
  }

  async #readLeft(id: string): Promise<void> {
    const { folder, observe } = this.#options;
    const file = await folder.read(id);
    if (file.is === 'gone') return;
    if (file.is === 'unreadable') {
      const taken = await setAside(folder, id, file.reason);
      return observe({ kind: 'taken-in', id, taken, request: null, result: null });
    }
    const spooled = fromFileText(file.text);
    if (spooled === null) return;
    const { request, idempotency } = spooled;
    if (idempotency !== null) this.#remember(idempotency, request);
    this.#noteNews(id, request);
  }

  #noteNews(id: string, request: IntakeRequest): News[] {
    const news = this.#view
      .apply(request, this.#options.clock.now().getTime())
      .map((one) => ({ id, ...one }));
    if (news.length > 0) this.#news.set(id, news);
    return news;
  }

  /** Tells of what waits and nobody was told of, nor may have been. For when the database is known to be away. */
  async tellWhatIsLeft(): Promise<void> {
    const { folder, teller, observe } = this.#options;
    if (teller === null) return;
    const untold: News[] = [];
    for (const [id, news] of this.#news) {
      // Where the journal cannot be read it is not known, and told once more rather than not at all.
      const notes = await folder.notes(id).catch((error: unknown) => {
        observe({ kind: 'trouble', error });
        return [];
      });
      const told = new Set(messagesTold(notes).map((message) => message.index));
      untold.push(...news.filter(({ index }) => !told.has(index)));
    }
    teller.tell(untold);
  }

  /** What was stored while the database was there: its repeats are no news in an outage. */
  noteCommitted(request: IntakeRequest, result: IntakeResult): void {
    const { version } = this.#view;
    this.#view.apply(request, this.#options.clock.now().getTime(), result);
    if (this.#view.version !== version) this.#snapshot.want();
  }

  /** Looks at what is open, so that an outage begins with knowing it. */
  async refresh(db: Db): Promise<void> {
    const readAtMs = this.#options.clock.now().getTime();
    this.#view.load(await readUrgent(db, UrgentView.most), readAtMs - 1_000);
    this.#snapshot.want();
  }

  /** Durable when it resolves with `ok`. */
  async take(request: IntakeRequest, idempotency: IdempotencyClaim | null): Promise<Spooled> {
    const { folder, teller, observe } = this.#options;
    if (idempotency !== null) {
      const known = this.#keys.get(keyOf(idempotency));
      if (known !== undefined) {
        const same = known.requestHash.equals(idempotency.requestHash);
        return same ? { ok: true, ...known.answer } : { ok: false, reason: 'other-request' };
      }
    }
    if (!this.#view.isUrgent(request)) return { ok: false, reason: 'not-urgent' };
    const deliveryId = newId();
    const named: IntakeRequest & { deliveryId: string } = {
      ...request,
      deliveryId,
      entries: request.entries.map((entry) => (entry.ok ? { ...entry, alertId: newId() } : entry)),
    };
    try {
      if (!(await folder.write(deliveryId, toFileText({ request: named, idempotency })))) {
        observe({ kind: 'refused', reason: 'full' });
        return { ok: false, reason: 'full' };
      }
    } catch (error) {
      observe({ kind: 'refused', reason: 'failed', error });
      return { ok: false, reason: 'failed' };
    }
    if (idempotency !== null) this.#remember(idempotency, named);
    const news = this.#noteNews(deliveryId, named);
    observe({ kind: 'spooled', deliveryId, request: named });
    if (this.#options.isAway() && this.#emptying === null) teller?.tell(news);
    // The database is back, or about to be: the file was written too late for who looked before.
    else void this.#emptyAfterwards().catch((error: unknown) => observe({ kind: 'trouble', error }));
    return { ok: true, deliveryId, received: request.entries.length };
  }

  /**
   * Takes in what waits, also what arrives meanwhile; rejects when the database goes
   * away again. Others are kept waiting for a minute at most.
   */
  empty(signal?: AbortSignal): Promise<void> {
    this.#emptying ??= this.#empty(signal).finally(() => {
      this.#emptying = null;
    });
    return this.#emptying;
  }

  async #emptyAfterwards(): Promise<void> {
    await this.#emptying;
    await this.empty();
  }

  /** While the database is there: takes in what is left, and brings the lines that stood for many alerts to their end. */
  async tidy(signal: AbortSignal): Promise<void> {
    if (this.#options.isAway()) return;
    await this.empty(signal);
    await this.#options.teller?.finish(signal);
  }

  /** Tells nobody any more. */
  async stop(): Promise<void> {
    await this.#options.teller?.hold();
    await this.#snapshot.stop();
  }

  async #empty(signal?: AbortSignal): Promise<void> {
    const { folder, teller, clock, notifier, claim, observe } = this.#options;
    if ((await folder.look()).length === 0) return;
    await teller?.hold();
    const until = performance.now() + othersWaitMs;
    const database = this.#options.openDatabase();
    let last: Committed | null = null;
    const intake = new Intake({
      db: database.db,
      limits: { queuedAlerts: 100_000, alertsPerCommit: 200 },
      observe: (committed) => {
        last = committed;
      },
    });
    try {
      // One that cannot even be read must hold up none of the others.
      const skipped = new Set<string>();
      const waiting = async (): Promise<string[]> => (await folder.look()).filter((id) => !skipped.has(id));
      for (let ids = await waiting(); ids.length > 0 && performance.now() < until; ids = await waiting()) {
        for (const id of ids) {
          signal?.throwIfAborted();
          last = null;
          try {
            const taken = await takeIn({ db: database.db, intake, folder, clock, notifier, claim }, id);
            this.#news.delete(id);
            const { request = null, result = null } = (last as Committed | null) ?? {};
            observe({ kind: 'taken-in', id, taken, request, result });
          } catch (error) {
            if (isPassing(error)) throw error;
            skipped.add(id);
            observe({ kind: 'trouble', error });
          }
        }
      }
      this.#keys.clear();
    } catch (error) {
      if (signal?.aborted !== true) await this.tellWhatIsLeft();
      throw error;
    } finally {
      await intake.stop();
      await database.close();
    }
  }

  #remember(idempotency: IdempotencyClaim, request: IntakeRequest & { deliveryId: string }): void {
    this.#keys.set(keyOf(idempotency), {
      requestHash: idempotency.requestHash,
      answer: { deliveryId: request.deliveryId, received: request.entries.length },
    });
  }
}

function keyOf({ owner, key }: IdempotencyClaim): string {
  return JSON.stringify([owner, key]);
}
