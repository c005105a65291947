import type {
  IncidentProvider,
  ProviderCommand,
  ProviderFailure,
  ProviderState,
  RequestStatus,
  SubmitResult,
} from '../../src/incidents/provider.ts';

export type Answer = 'accept' | 'done' | 'hang' | 'lost' | ProviderFailure;

/** A provider that keeps what it was told in memory and works on it when it is asked, or fails as told. */
export class FakeProvider implements IncidentProvider {
  readonly name = 'fake';
  connectionId = 'fake:1';
  externalKind = 'alert';
  searchLagMs = 0;
  readonly said: ProviderCommand[] = [];
  readonly asked: string[] = [];
  reads = 0;
  looks = 0;
  opened: string | null = null;
  /** What it shows beside being open. */
  shows: Partial<ProviderState> = {};
  notes: string[] = [];
  /** Absent unless a test gives it. */
  identify?: IncidentProvider['identify'] & object;
  /** So many looks do not find what is there. */
  hiddenLooks = 0;
  submits: Answer[] = [];
  statuses: (RequestStatus | ProviderFailure)[] = [];
  readScript: ProviderFailure[] = [];
  underWay = 0;
  mostUnderWay = 0;
  #release: (() => void)[] = [];

  async submit(command: ProviderCommand): Promise<SubmitResult> {
    this.said.push(command);
    this.underWay += 1;
    this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay);
    const answer = this.submits.shift() ?? 'accept';
    if (answer === 'hang') await new Promise<void>((resolve) => void this.#release.push(resolve));
    this.underWay -= 1;
    if (typeof answer === 'object') return answer;
    if (command.kind === 'open') this.opened ??= `ext-${this.said.length}`;
    if (answer === 'lost') return refusal('unknown');
    if (answer === 'done') return { ok: true, state: 'done', ...this.#place() };
    return { ok: true, state: 'accepted', requestId: `r${this.said.length}` };
  }

  requestStatus(request: { requestId: string }): Promise<RequestStatus | ProviderFailure> {
    this.asked.push(request.requestId);
    return Promise.resolve(this.statuses.shift() ?? { ok: true, state: 'done', ...this.#place() });
  }

  read(): Promise<ProviderState | ProviderFailure> {
    this.reads += 1;
    const failure = this.readScript.shift();
    if (failure !== undefined) return Promise.resolve(failure);
    this.hiddenLooks -= 1;
    const found = this.opened !== null && this.hiddenLooks < 0;
    const { externalId, externalUrl } = found ? this.#place() : { externalId: null, externalUrl: null };
    return Promise.resolve({
      ok: true,
      found,
      externalId,
      externalUrl,
      status: found ? 'open' : null,
      severity: null,
      assignee: null,
      updatedAt: null,
      ...(found ? this.shows : {}),
    });
  }

  hasNote(_ref: unknown, note: { text: string }): Promise<{ ok: true; found: boolean }> {
    this.looks += 1;
    return Promise.resolve({ ok: true, found: this.notes.includes(note.text) });
  }

  release(): void {
    for (const go of this.#release.splice(0)) go();
  }

  #place(): { externalId: string; externalUrl: string | null } {
    const externalId = this.opened ?? 'ext-?';
    return { externalId, externalUrl: `https://provider.example.org/${externalId}` };
  }
}

export const refusal = (reason: ProviderFailure['reason'], retryAfterMs?: number): ProviderFailure => ({
  ok: false,
  reason,
  code: '429',
  detail: 'detail',
  ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
});
