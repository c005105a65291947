import type { HeartbeatTarget } from '../../self-watch/outgoing-heartbeat.ts';
import { createOpsgenieClient, type OpsgenieClientOptions } from './client.ts';

export type OpsgenieHeartbeat = HeartbeatTarget & {
  /** Whether the heartbeat is there; null when the key may not look. */
  exists(signal: AbortSignal): Promise<{ ok: true; exists: boolean | null } | { ok: false; detail: string }>;
};

/**
 * A heartbeat of Opsgenie, which alerts when the pings stop. It answers PONG also to
 * pings of a heartbeat that does not exist, hence `exists`; a ping needs no more than
 * an API key, looking needs the right to configure.
 * @see https://docs.opsgenie.com/docs/heartbeat-api
 */
export function createOpsgenieHeartbeat(
  options: OpsgenieClientOptions & { heartbeat: string },
): OpsgenieHeartbeat {
  const client = createOpsgenieClient(options);
  const path = `/v2/heartbeats/${encodeURIComponent(options.heartbeat)}`;
  return {
    name: 'opsgenie',
    async ping(signal) {
      const answer = await client.call('GET', `${path}/ping`, undefined, signal);
      return answer.ok ? { ok: true } : { ok: false, detail: `${answer.reason}: ${answer.code}` };
    },
    async exists(signal) {
      const answer = await client.call('GET', path, undefined, signal);
      if (answer.ok) return { ok: true, exists: true };
      if (answer.code === '404') return { ok: true, exists: false };
      if (answer.code === '403') return { ok: true, exists: null };
      return { ok: false, detail: `${answer.reason}: ${answer.code}` };
    },
  };
}
