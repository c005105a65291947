import type { DescribedSignal } from '../../src/alerts/describe.ts';
import type { Intake, IntakeRequest, IntakeResult } from '../../src/alerts/intake.ts';
import type { StoredAlert } from '../../src/alerts/alert-queries.ts';
import { applySignal, type KnownAlert } from '../../src/alerts/apply-signal.ts';

/** Parts of alerts for tests that look at one rule at a time. All of it happens on one morning. */

const morningMs = Date.parse('2026-11-20T08:00:00.000Z');

/** So many seconds into the morning. */
export function at(seconds: number): Date {
  return new Date(morningMs + seconds * 1_000);
}

/** A signal our rules have described already: firing since the start of the morning, P2, told. */
export function describedSignal(parts: Partial<DescribedSignal> = {}): DescribedSignal {
  return {
    status: 'firing',
    tenant: '',
    fingerprint: 'f1',
    labels: { alertname: 'BasketLatency' },
    annotations: { summary: 'Basket is slow' },
    links: [],
    values: null,
    startsAt: at(0),
    endsAt: null,
    expiresAt: null,
    stateReason: null,
    severity: 'P2',
    unknownSeverity: false,
    title: 'Basket is slow',
    description: 'p99 is 3.4 s',
    namespace: 'shop',
    traceId: null,
    traceIds: [],
    mute: null,
    foldKey: null,
    decisions: [{ stage: 'severity', outcome: 'P2', reason: 'said by the test' }],
    ...parts,
  };
}

export function resolvedSignal(parts: Partial<DescribedSignal> = {}): DescribedSignal {
  return describedSignal({ status: 'resolved', endsAt: at(300), ...parts });
}

/** As it is after its first report. */
export function knownAlert(parts: Partial<KnownAlert> = {}): KnownAlert {
  const context = {
    id: '01993f00-0000-7000-8000-000000000001',
    source: 'grafana' as const,
    receivedAt: at(10),
    incidentStillOpen: false,
  };
  return { ...applySignal(undefined, describedSignal(), 'created', context), ...parts };
}

export function storedAlert(parts: Partial<StoredAlert> = {}): StoredAlert {
  return { ...knownAlert(), archivedAt: null, ...parts };
}

export function intakeRequest(
  signals: DescribedSignal[],
  receivedAt: Date,
  parts: Partial<IntakeRequest> = {},
): IntakeRequest {
  return {
    source: 'grafana',
    sender: 'token:test',
    door: 'webhook',
    receivedAt,
    entries: signals.map((signal) => ({ ok: true, signal })),
    raw: { contentType: 'application/json', headers: {}, body: Buffer.from('{}') },
    ...parts,
  };
}

/** Takes the signals in, in one request, and fails loudly when they are refused. */
export async function takeIn(
  intake: Intake,
  signals: DescribedSignal[],
  receivedAt: Date,
  parts: Partial<IntakeRequest> = {},
): Promise<IntakeResult['results']> {
  const result = await intake.submit(intakeRequest(signals, receivedAt, parts));
  if (!result.ok) throw new Error(`refused: ${result.reason}`);
  return result.results;
}
