import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Severity } from '../../src/alerts/alert.ts';
import type {
  IncidentProvider,
  OpenIncident,
  ProviderCommand,
  ProviderFailure,
  ProviderState,
  RequestStatus,
  SubmitResult,
} from '../../src/incidents/provider.ts';

/** What can go wrong with the next write at the vendor. */
export type VendorTrouble =
  | 'rate-limited'
  | 'rate-limited-for-7s'
  | 'bad-key'
  | 'refuses-content'
  | 'error-after-applying'
  | 'silent-after-applying'
  | 'breaks-after-applying'
  | 'html-page'
  | 'request-fails';

/** An adapter with a fake vendor behind it, fresh for each test. */
export type ProviderHarness = {
  provider: IncidentProvider;
  /** The same adapter, pointed at an address where nobody listens. */
  unreachable: IncidentProvider;
  /** Texts that must not be in any result: the key and the like. */
  secrets: string[];
  /** How many things, open or not, the vendor holds for an incident of ours. */
  opened(incidentId: string): number;
  /** The notes the vendor shows for it. */
  notes(incidentId: string): string[];
  /** Whatever delays sight of a new thing (a search index) catches up. */
  settle(): void;
  /** A person closes it in the vendor's own app. */
  personCloses(incidentId: string, user: string): void;
  personAcknowledges(incidentId: string, user: string): void;
  /** Meets the next write. */
  trouble(trouble: VendorTrouble): void;
  stop(): Promise<void>;
};

const incidentId = '0199c0de-0000-7000-8000-000000000001';
const otherId = '0199c0de-0000-7000-8000-000000000002';

/** What the incident room relies on, whoever the vendor is. `setup` gives the adapter a request timeout well below a second. */
export function describeIncidentProvider(name: string, setup: () => Promise<ProviderHarness>): void {
  describe(`incident provider ${name}`, () => {
    let harness: ProviderHarness;
    const answers: unknown[] = [];
    const { signal } = new AbortController();

    beforeEach(async () => {
      answers.length = 0;
      harness = await setup();
    });
    afterEach(async () => {
      await harness.stop();
      // Of every test: nothing that was answered may repeat a secret.
      const said = inspect(answers, { depth: 10, maxStringLength: null });
      for (const secret of harness.secrets) expect(said).not.toContain(secret);
    });

    async function submit(command: ProviderCommand, provider = harness.provider): Promise<SubmitResult> {
      const result = await provider.submit(command, signal);
      answers.push(result);
      return result;
    }

    async function read(id: string, externalId: string | null): Promise<ProviderState> {
      const state = await harness.provider.read({ incidentId: id, externalId }, signal);
      answers.push(state);
      if (!state.ok) throw new Error(`read failed: ${state.code} ${state.detail}`);
      return state;
    }

    /** Submits and asks until the outcome is known, as the sync job does. */
    async function complete(command: ProviderCommand): Promise<RequestStatus | ProviderFailure> {
      const submitted = await submit(command);
      if (!submitted.ok || submitted.state === 'done') return submitted;
      return outcomeOf(submitted.requestId, command);
    }

    async function outcomeOf(
      requestId: string,
      command: ProviderCommand,
    ): Promise<RequestStatus | ProviderFailure> {
      for (let ask = 0; ask < 10; ask += 1) {
        const status = await harness.provider.requestStatus({ requestId, command }, signal);
        answers.push(status);
        if (!status.ok || status.state !== 'pending') return status;
      }
      throw new Error('still pending after ten asks');
    }

    async function open(id = incidentId): Promise<string> {
      const result = await complete(openCommand(id));
      harness.settle();
      if (!result.ok || result.state !== 'done') throw new Error(`not opened: ${inspect(result)}`);
      return result.externalId;
    }

    describe('opening', () => {
      it('leads from accepted over pending to done, with an id and a link', async () => {
        const command = openCommand();
        const submitted = await submit(command);
        expect(submitted).toMatchObject({ ok: true, state: 'accepted' });
        if (!submitted.ok || submitted.state !== 'accepted') return;
        const early = await harness.provider.requestStatus(
          { requestId: submitted.requestId, command },
          signal,
        );
        expect(early).toEqual({ ok: true, state: 'pending' });
        const done = await outcomeOf(submitted.requestId, command);
        expect(done).toMatchObject({
          ok: true,
          state: 'done',
          externalId: expect.stringMatching(/.+/),
          externalUrl: expect.stringMatching(/^https?:\/\//),
        });
      });

      it('opens one thing for one incident, however often it is asked', async () => {
        const first = await open();
        expect(await complete(openCommand())).toMatchObject({ ok: true, state: 'done', externalId: first });
        expect(harness.opened(incidentId)).toBe(1);
      });

      it('keeps incidents apart', async () => {
        const [first, second] = [await open(), await open(otherId)];
        expect(first).not.toBe(second);
        expect([harness.opened(incidentId), harness.opened(otherId)]).toEqual([1, 1]);
      });

      it('survives oversized, hostile and empty texts', async () => {
        const incident: OpenIncident = {
          ...openIncident,
          title: `\u0000${'😀'.repeat(400)}`,
          description: 'ü'.repeat(100_000),
          tags: [...Array.from({ length: 50 }, (_, at) => `tag ${at}, ${'x'.repeat(100)}`), ''],
          details: Object.fromEntries([
            ['__proto__', 'label'],
            ['', 'empty'],
            ...Array.from({ length: 80 }, (_, at) => [`label-${at}`, 'y'.repeat(10_000)]),
          ]),
        };
        expect(await complete(openCommand(incidentId, incident))).toMatchObject({ ok: true, state: 'done' });
        expect(
          await complete(
            openCommand(otherId, { ...openIncident, title: ' ', description: '', tags: [], details: {} }),
          ),
        ).toMatchObject({ ok: true, state: 'done' });
      });

      it.each<Severity>(['P0', 'P1', 'P2', 'P3', 'P4'])('keeps severity %s', async (severity) => {
        await complete(openCommand(incidentId, { ...openIncident, severity }));
        harness.settle();
        expect(await read(incidentId, null)).toMatchObject({ found: true, status: 'open', severity });
      });
    });

    describe('reading', () => {
      it('finds nothing where nothing is', async () => {
        expect(await read(incidentId, null)).toMatchObject({
          ok: true,
          found: false,
          externalId: null,
          status: null,
        });
        expect(await read(incidentId, 'no-such-id')).toMatchObject({ ok: true, found: false });
      });

      it('finds it by our id while the external id is unknown', async () => {
        const externalId = await open();
        await open(otherId);
        expect(await read(incidentId, null)).toMatchObject({
          found: true,
          externalId,
          status: 'open',
          severity: 'P1',
          assignee: null,
        });
      });

      it('sees what people do there', async () => {
        const externalId = await open();
        harness.personAcknowledges(incidentId, 'ada@example.com');
        expect(await read(incidentId, externalId)).toMatchObject({
          status: 'acknowledged',
          assignee: 'ada@example.com',
        });
        harness.personCloses(incidentId, 'ada@example.com');
        const closed = await read(incidentId, externalId);
        expect(closed).toMatchObject({ found: true, status: 'closed' });
        expect(closed.updatedAt).toBeInstanceOf(Date);
      });
    });

    describe('commands', () => {
      it.each([
        ['with', true],
        ['without', false],
      ])('are carried out %s the external id', async (_name, known) => {
        const opened = await open();
        const externalId = known ? opened : null;
        const ref = { incidentId, externalId };
        const done = { ok: true, state: 'done', externalId: opened };
        expect(await complete({ ref, by: 'ada@example.com', kind: 'acknowledge' })).toMatchObject(done);
        expect(await read(incidentId, opened)).toMatchObject({ status: 'acknowledged' });
        expect(
          await complete({ ref, by: 'ada@example.com', kind: 'assign', assignee: 'bob@example.com' }),
        ).toMatchObject(done);
        expect(await read(incidentId, opened)).toMatchObject({ assignee: 'bob@example.com' });
        expect(
          await complete({ ref, by: 'ada@example.com', kind: 'set-severity', severity: 'P3' }),
        ).toMatchObject(done);
        expect(await read(incidentId, opened)).toMatchObject({ severity: 'P3' });
        expect(
          await complete({ ref, by: 'ada@example.com', kind: 'add-note', text: 'found the cause' }),
        ).toMatchObject(done);
        expect(harness.notes(incidentId).join('\n')).toContain('found the cause');
        expect(await complete({ ref, by: 'ada@example.com', kind: 'close', note: 'fixed' })).toMatchObject(
          done,
        );
        expect(await read(incidentId, opened)).toMatchObject({ status: 'closed' });
        expect(harness.notes(incidentId).join('\n')).toContain('fixed');
      });

      it('take what is already so as done', async () => {
        const externalId = await open();
        const ref = { incidentId, externalId };
        harness.personAcknowledges(incidentId, 'ada@example.com');
        expect(await complete({ ref, by: 'bob@example.com', kind: 'acknowledge' })).toMatchObject({
          ok: true,
          state: 'done',
          externalId,
        });
        harness.personCloses(incidentId, 'ada@example.com');
        expect(await complete({ ref, by: 'bob@example.com', kind: 'close' })).toMatchObject({
          ok: true,
          state: 'done',
          externalId,
        });
      });

      it('to something that is not there fail', async () => {
        const command: ProviderCommand = {
          ref: { incidentId, externalId: 'no-such-id' },
          by: 'ada@example.com',
          kind: 'close',
        };
        expect(await complete(command)).toMatchObject({
          ok: true,
          state: 'failed',
          detail: expect.stringMatching(/.+/),
        });
      });

      it('that fail at the vendor are failed, with its words', async () => {
        const externalId = await open();
        harness.trouble('request-fails');
        const command: ProviderCommand = {
          ref: { incidentId, externalId },
          by: 'ada@example.com',
          kind: 'add-note',
          text: 'x',
        };
        expect(await complete(command)).toMatchObject({
          ok: true,
          state: 'failed',
          detail: expect.stringMatching(/.+/),
        });
      });
    });

    describe('failures', () => {
      it.each<[VendorTrouble, Partial<ProviderFailure>]>([
        ['rate-limited', { reason: 'rate-limited' }],
        ['rate-limited-for-7s', { reason: 'rate-limited', retryAfterMs: 7000 }],
        ['bad-key', { reason: 'auth' }],
        ['refuses-content', { reason: 'rejected' }],
      ])('%s: refused, and nothing was opened', async (trouble, expected) => {
        harness.trouble(trouble);
        const result = await submit(openCommand());
        expect(result).toMatchObject({
          ok: false,
          ...expected,
          code: expect.stringMatching(/.+/),
          detail: expect.stringMatching(/.+/),
        });
        if (expected.retryAfterMs === undefined) expect(result).not.toHaveProperty('retryAfterMs');
        expect(harness.opened(incidentId)).toBe(0);
      });

      it.each<VendorTrouble>([
        'error-after-applying',
        'silent-after-applying',
        'breaks-after-applying',
        'html-page',
      ])('%s: outcome unknown; what was opened is found and not opened again', async (trouble) => {
        harness.trouble(trouble);
        expect(await submit(openCommand())).toMatchObject({ ok: false, reason: 'unknown' });
        harness.settle();
        const state = await read(incidentId, null);
        expect(state.found).toBe(harness.opened(incidentId) === 1);
        expect(await complete(openCommand())).toMatchObject({ ok: true, state: 'done' });
        expect(harness.opened(incidentId)).toBe(1);
      });

      it('nobody listens: unavailable, for every call', async () => {
        const command = openCommand();
        expect(await submit(command, harness.unreachable)).toMatchObject({
          ok: false,
          reason: 'unavailable',
        });
        expect(await harness.unreachable.read(command.ref, signal)).toMatchObject({
          ok: false,
          reason: 'unavailable',
        });
        expect(await harness.unreachable.requestStatus({ requestId: 'r', command }, signal)).toMatchObject({
          ok: false,
          reason: 'unavailable',
        });
      });

      it('given up by the caller: a failure, not an exception', async () => {
        expect(await harness.provider.submit(openCommand(), AbortSignal.abort())).toMatchObject({
          ok: false,
        });
        expect(harness.opened(incidentId)).toBe(0);
      });
    });
  });
}

const openIncident: OpenIncident = {
  title: 'Checkout answers 500',
  description: 'Half of the payments fail.\nSee the dashboard.',
  severity: 'P1',
  details: { service: 'checkout', namespace: 'shop' },
  tags: ['shop', 'payments'],
  source: 'grafana',
  responders: [
    { type: 'team', name: 'Payments' },
    { type: 'user', name: 'ada@example.com' },
    { type: 'escalation', name: 'Payments escalation' },
  ],
};

function openCommand(id = incidentId, incident: OpenIncident = openIncident): ProviderCommand {
  return { ref: { incidentId: id, externalId: null }, by: 'GoMon', kind: 'open', incident };
}
