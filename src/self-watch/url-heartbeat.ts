import { callJson } from '../lib/http.ts';
import type { HeartbeatTarget } from './outgoing-heartbeat.ts';

/** Such services answer a word or two. */
const maxBodyBytes = 65_536;
const timeoutMs = 10_000;

/** Any address that takes a GET as a sign of life (healthchecks.io, Dead Man's Snitch, Uptime Kuma). It may hold a secret: nothing here repeats it. */
export function createUrlHeartbeat(url: string): HeartbeatTarget {
  return {
    name: 'url',
    async ping(signal) {
      const answer = await callJson({ method: 'GET', url }, { timeoutMs, maxBodyBytes }, signal);
      // What it says is its own business; "OK" is no JSON.
      const status = answer.ok
        ? answer.status
        : answer.kind === 'not-json'
          ? answer.response?.status
          : undefined;
      if (status === undefined) return { ok: false, detail: answer.ok ? '' : answer.detail };
      return status >= 200 && status < 300 ? { ok: true } : { ok: false, detail: `it answered ${status}` };
    },
  };
}
