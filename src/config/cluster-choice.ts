import { homedir } from 'node:os';
import type { Config } from './load.ts';
import { type Environment, readVariable } from './env.ts';

/** Where the cluster is to be looked for: the settings, and what every pod finds in its environment. */
export function clusterChoiceOf(
  config: Pick<Config, 'settings' | 'secrets'>,
  env: Environment = process.env,
) {
  const { mode, kubeconfig, context, apiUrl, caFile } = config.settings.kubernetes;
  const host = readVariable(env, 'KUBERNETES_SERVICE_HOST');
  const port = readVariable(env, 'KUBERNETES_SERVICE_PORT') ?? '443';
  return {
    mode,
    kubeconfig,
    context,
    apiUrl,
    caFile,
    token: config.secrets.kubernetesToken,
    service: host === undefined ? null : { host, port },
    homeDir: readVariable(env, 'HOME') ?? homedir(),
  };
}
