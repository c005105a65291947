import { canaryLabel } from '../alerts/canary-alert.ts';
import { callJson } from '../lib/http.ts';

/** Where test alerts are sent. */
export interface CanaryDoor {
  /** `endsAt`: when the alert is over by itself, should nobody be left to end it. */
  send(
    alert: { key: string; endsAt: Date },
    signal: AbortSignal,
  ): Promise<{ ok: true; alertId: string } | { ok: false; detail: string }>;
}

const timeoutMs = 10_000;
const maxBodyBytes = 65_536;

/** `POST /api/v1/alerts` of our own, over the loopback address, as any source does it. */
export function createHttpDoor(options: { url: string; token: string }): CanaryDoor {
  return {
    async send({ key, endsAt }, signal) {
      const answer = await callJson(
        {
          method: 'POST',
          url: `${options.url}/api/v1/alerts`,
          headers: { authorization: `Bearer ${options.token}` },
          json: {
            title: 'GoMon canary',
            // On the way of those that matter: what it measures is what a P1 would have met with.
            severity: 'P1',
            description: 'A test of the service by itself. Nothing is wrong; it goes away within seconds.',
            labels: { [canaryLabel]: 'true' },
            dedupKey: key,
            endsAt: endsAt.toISOString(),
          },
        },
        { timeoutMs, maxBodyBytes },
        signal,
      );
      if (!answer.ok) return { ok: false, detail: answer.detail };
      const alertId = idIn(answer.body);
      if (alertId !== null) return { ok: true, alertId };
      return { ok: false, detail: `our own door answered ${answer.status}` };
    },
  };
}

function idIn(body: unknown): string | null {
  const { results } = (body ?? {}) as { results?: { id?: unknown; outcome?: unknown }[] };
  const [first] = Array.isArray(results) ? results : [];
  return first?.outcome === 'created' && typeof first.id === 'string' ? first.id : null;
}
