import type { ClusterView } from '../../cluster/cluster-view.ts';
import type { KubernetesConnection } from './connection.ts';
import type { KubeFailure } from './failure.ts';
import type { Poll } from './poller.ts';
import type { ResourceType } from './resources.ts';

/**
 * The API server itself, shown in the view as two objects of our own making:
 * `readyz` and `version`, one of each, named as they are.
 */
export const readyzType: ResourceType = {
  resource: 'readyz',
  kind: 'Readyz',
  group: 'gomon.io',
  version: 'v1',
  plural: 'readyz',
  scope: 'cluster',
  optional: true,
  serves: 'readiness of the API server and of etcd behind it',
};

export const versionType: ResourceType = {
  ...readyzType,
  resource: 'version',
  kind: 'Version',
  plural: 'version',
  serves: 'version skew of nodes',
};

/**
 * `status` of the one `readyz` object. `failing`: the server says that it is not
 * ready. `unreachable`: it says nothing. `unknown`: we may not ask, as on managed
 * clouds, which says nothing about the server.
 */
export type ReadyzStatus = {
  state: 'ok' | 'failing' | 'unreachable' | 'unknown';
  /** In a row, this one included; 0 while it is ok or unknown. */
  failures: number;
  /** When the first of them was, by our clock. */
  failingSince: string | null;
  checkedAt: string;
  /** HTTP status; null where no answer came. */
  code: number | null;
  /** The lines of the answer: https://kubernetes.io/docs/reference/using-api/health-checks/ */
  checks: { name: string; ok: boolean }[];
  detail: string | null;
};

/** Asks `/readyz?verbose`. It never fails: what went wrong is what it tells. */
export function readyzPoll(connection: KubernetesConnection, now: () => Date): Poll {
  let failures = 0;
  let failingSince: string | null = null;
  return async (found, signal) => {
    const answer = await connection.call(
      {
        path: '/readyz',
        query: { verbose: true },
        accept: '*/*',
        timeoutMs: 5_000,
        maxBodyBytes: 1024 * 1024,
      },
      signal,
    );
    const checkedAt = now().toISOString();
    const state = answer.ok ? 'ok' : stateOf(answer);
    const isDown = state === 'failing' || state === 'unreachable';
    failures = isDown ? failures + 1 : 0;
    failingSince = isDown ? (failingSince ?? checkedAt) : null;
    const status: ReadyzStatus = {
      state,
      failures,
      failingSince,
      checkedAt,
      code: answer.status,
      checks: readChecks(answer.ok ? answer.text : (answer.body ?? '')),
      detail: answer.ok ? null : answer.detail,
    };
    found.push({ metadata: { name: 'readyz' }, timestamp: checkedAt, status });
    return null;
  };
}

function stateOf(failure: KubeFailure): ReadyzStatus['state'] {
  switch (failure.kind) {
    case 'unauthorized':
    case 'forbidden':
    case 'absent':
    case 'credentials':
    case 'throttled':
    case 'refused':
    case 'aborted':
      return 'unknown';
    case 'server':
      return 'failing';
    case 'network':
    case 'timeout':
    case 'expired':
    case 'too-large':
    case 'bad-answer':
      return 'unreachable';
  }
}

function readChecks(text: string): { name: string; ok: boolean }[] {
  return [...text.matchAll(/^\[([+-])\](\S+)/gm)]
    .slice(0, 200)
    .map(([, sign, name = '']) => ({ name, ok: sign === '+' }));
}

/** `status` is what `/version` answers: gitVersion and its kin. */
export function versionPoll(connection: KubernetesConnection): Poll {
  return async (found, signal) => {
    const answer = await connection.call({ path: '/version' }, signal);
    if (!answer.ok) return answer;
    try {
      const status: unknown = JSON.parse(answer.text);
      const gitVersion = (status as Record<string, unknown>)['gitVersion'];
      found.push({ metadata: { name: 'version', resourceVersion: String(gitVersion) }, status });
    } catch {
      // A proxy's page: no version is known.
    }
    return null;
  };
}

/** What detectors of the control plane read; null: nobody knows. */
export type ApiProbes = {
  apiServer: {
    /** In a row. */
    failures: number;
    failingSince: Date | null;
    /** Names of the checks that fail, where the server still tells. */
    failing: string[];
    detail: string;
  } | null;
  /** `gitVersion` of `/version`. */
  serverVersion: string | null;
};

export function apiProbes(view: ClusterView): ApiProbes {
  const ready = view.get(readyzType.resource, null, 'readyz')?.status as ReadyzStatus | undefined;
  const version = view.get(versionType.resource, null, 'version')?.status?.['gitVersion'];
  return {
    apiServer:
      ready === undefined || ready.state === 'unknown'
        ? null
        : {
            failures: ready.failures,
            failingSince: ready.failingSince === null ? null : new Date(ready.failingSince),
            failing: ready.checks.flatMap(({ name, ok }) => (ok ? [] : [name])),
            detail: ready.detail ?? '',
          },
    serverVersion: typeof version === 'string' ? version : null,
  };
}
