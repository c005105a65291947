/** What the API server says about itself. */
export type SystemState = { gitVersion: string; failing: Set<string> };

const checks = [
  'ping',
  'log',
  'etcd',
  'etcd-readiness',
  'informer-sync',
  'poststarthook/start-apiextensions-informers',
  'poststarthook/rbac/bootstrap-roles',
  'shutdown',
];

/** `/readyz`, `/livez`, `/healthz`: the reasons are for those who ask with `verbose`, or when it fails. */
export function readyz(state: SystemState, name: string, isVerbose: boolean): { code: number; text: string } {
  const lines = checks.map((check) =>
    state.failing.has(check) ? `[-]${check} failed: reason withheld` : `[+]${check} ok`,
  );
  if (state.failing.size > 0) return { code: 500, text: `${lines.join('\n')}\n${name} check failed\n` };
  return { code: 200, text: isVerbose ? `${lines.join('\n')}\n${name} check passed\n` : 'ok' };
}

export function versionInfo({ gitVersion }: SystemState): Record<string, string> {
  const [, major = '1', minor = '0'] = /^v(\d+)\.(\d+)/.exec(gitVersion) ?? [];
  return { major, minor, gitVersion, gitCommit: 'sandbox', platform: 'linux/amd64' };
}
