import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Cluster, KubeConfig, User } from '@kubernetes/client-node';
import { parse } from 'yaml';

/** Where the cluster is to be found, as the settings and the environment say. */
export type ClusterChoice = {
  mode: 'auto' | 'in-cluster' | 'kubeconfig' | 'url' | 'off';
  /** A path, or several separated as in PATH; null: `.kube/config` of the home folder. */
  kubeconfig: string | null;
  /** Null: the file's current context. */
  context: string | null;
  apiUrl: string | null;
  /** For `apiUrl`; null: the CAs that Node knows. */
  caFile: string | null;
  token: string | null;
  /** KUBERNETES_SERVICE_HOST and _PORT, which every pod has. */
  service: { host: string; port: string } | null;
  homeDir: string | null;
  serviceAccountDir?: string;
};

/** One way to a cluster. `load` reads its files anew, and throws when they do not serve. */
export type ClusterSource = {
  kind: 'in-cluster' | 'kubeconfig' | 'url';
  /** For people. */
  name: string;
  load(): Promise<KubeConfig>;
};

export type ChosenCluster =
  | { is: 'chosen'; source: ClusterSource }
  | { is: 'off'; reason: string }
  | { is: 'wrong'; reason: string };

const serviceAccount = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * Decides where the cluster is. client-node's own way ends at http://localhost:8080
 * when it finds nothing, and fails later with words about something else; here
 * nothing found is `off`, and something named that is not there is `wrong`.
 */
export function chooseCluster(choice: ClusterChoice): ChosenCluster {
  switch (choice.mode) {
    case 'off':
      return { is: 'off', reason: 'kubernetes.mode is off' };
    case 'url':
      return fromUrl(choice);
    case 'in-cluster':
      return fromAccount(choice);
    case 'kubeconfig':
      return fromFiles(choice);
    case 'auto':
      if (choice.apiUrl !== null) return fromUrl(choice);
      if (choice.service !== null && existsSync(accountFile(choice, 'token'))) return fromAccount(choice);
      if (choice.kubeconfig !== null || existsSync(homeFile(choice))) return fromFiles(choice);
      return {
        is: 'off',
        reason: 'no cluster was found: no in-cluster account, no KUBECONFIG, no ~/.kube/config',
      };
  }
}

function fromUrl(choice: ClusterChoice): ChosenCluster {
  const url = choice.apiUrl === null ? null : URL.parse(choice.apiUrl);
  if (choice.apiUrl === null || url === null)
    return { is: 'wrong', reason: 'kubernetes.mode is url, but kubernetes.apiUrl is not set' };
  if (!['http:', 'https:'].includes(url.protocol) || url.username !== '' || url.password !== '')
    return {
      is: 'wrong',
      reason: 'kubernetes.apiUrl has to be a plain http or https address, without credentials',
    };
  if (choice.token === null)
    return { is: 'wrong', reason: 'kubernetes.apiUrl is set, but its token (GOMON_KUBERNETES_TOKEN) is not' };
  const { caFile, token } = choice;
  const server = choice.apiUrl.replace(/\/+$/, '');
  return {
    is: 'chosen',
    source: {
      kind: 'url',
      name: 'kubernetes.apiUrl',
      load: () =>
        loaded(
          { name: 'url', server, skipTLSVerify: false, ...(caFile !== null && { caFile }) },
          { name: 'token', token },
        ),
    },
  };
}

function fromAccount(choice: ClusterChoice): ChosenCluster {
  const tokenFile = accountFile(choice, 'token');
  if (choice.service === null)
    return {
      is: 'wrong',
      reason:
        'kubernetes.mode is in-cluster, but KUBERNETES_SERVICE_HOST is not set: this is no pod of a cluster',
    };
  if (!existsSync(tokenFile))
    return {
      is: 'wrong',
      reason: `the in-cluster account has no token at ${tokenFile}; is automountServiceAccountToken off?`,
    };
  const { host, port } = choice.service;
  const server = `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
  return {
    is: 'chosen',
    source: {
      kind: 'in-cluster',
      name: 'the in-cluster account',
      load: () =>
        loaded(
          { name: 'in-cluster', server, skipTLSVerify: false, caFile: accountFile(choice, 'ca.crt') },
          { name: 'account', authProvider: { name: 'tokenFile', config: { tokenFile } } },
        ),
    },
  };
}

function fromFiles(choice: ClusterChoice): ChosenCluster {
  const named = (choice.kubeconfig ?? homeFile(choice)).split(path.delimiter).filter((file) => file !== '');
  // As kubectl does: of several, those that are there count.
  const files = named.filter((file) => existsSync(file));
  if (files.length === 0)
    return { is: 'wrong', reason: `there is no kubeconfig at ${named.join(' or ') || 'any place'}` };
  return {
    is: 'chosen',
    source: {
      kind: 'kubeconfig',
      name: `kubeconfig ${files.join(path.delimiter)}`,
      load: () => loadFiles(files, choice.context),
    },
  };
}

/** The client library is large (2 s, 80 MB), and is read by those who watch a cluster only. */
async function library(): Promise<{ KubeConfig: new () => KubeConfig }> {
  return await import('@kubernetes/client-node');
}

async function loaded(cluster: Cluster, user: User): Promise<KubeConfig> {
  const config = new (await library()).KubeConfig();
  config.loadFromClusterAndUser(withoutTls(cluster), user);
  return config;
}

async function loadFiles(files: readonly string[], context: string | null): Promise<KubeConfig> {
  const { KubeConfig } = await library();
  const config = new KubeConfig();
  for (const [index, file] of files.entries()) {
    const one = new KubeConfig();
    const text = readFileSync(file, 'utf8');
    // Its own errors quote the file, which holds credentials.
    try {
      one.loadFromFile(file);
      addTokenFiles(one, text, path.dirname(file));
    } catch (error) {
      throw new Error(`${file} is not a kubeconfig`, { cause: error });
    }
    if (index === 0) {
      config.loadFromOptions({
        clusters: one.clusters,
        users: one.users,
        contexts: one.contexts,
        currentContext: one.currentContext,
      });
    } else mergeNew(config, one);
  }
  if (context !== null) config.setCurrentContext(context);
  const chosen = config.getCurrentContext();
  if (typeof chosen !== 'string' || chosen === '')
    throw new Error('the kubeconfig has no current context; set kubernetes.context');
  if (config.getContextObject(chosen) === null)
    throw new Error(`the kubeconfig has no context "${chosen}"; it has ${names(config.contexts)}`);
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new Error(`the cluster of context "${chosen}" is not in the kubeconfig`);
  config.clusters = config.clusters.map((one) => (one.name === cluster.name ? withoutTls(one) : one));
  return config;
}

/** Of equal names the first one counts; client-node refuses them instead, where kubectl does not. */
function mergeNew(into: KubeConfig, from: KubeConfig): void {
  const lacks = (list: readonly { name: string }[], name: string) => list.every((one) => one.name !== name);
  into.clusters = [...into.clusters, ...from.clusters.filter(({ name }) => lacks(into.clusters, name))];
  into.users = [...into.users, ...from.users.filter(({ name }) => lacks(into.users, name))];
  into.contexts = [...into.contexts, ...from.contexts.filter(({ name }) => lacks(into.contexts, name))];
  if (!into.currentContext && from.currentContext) into.setCurrentContext(from.currentContext);
}

/** A user's `tokenFile`, which client-node does not know: it is read, and read again as the account's is. */
function addTokenFiles(config: KubeConfig, text: string, folder: string): void {
  const content = parse(text) as {
    users?: { name?: string; user?: { token?: string; tokenFile?: string } }[];
  } | null;
  for (const { name, user } of content?.users ?? []) {
    if (typeof user?.tokenFile !== 'string' || user.token !== undefined) continue;
    const tokenFile = path.resolve(folder, user.tokenFile);
    config.users = config.users.map((one) =>
      one.name === name ? { ...one, authProvider: { name: 'tokenFile', config: { tokenFile } } } : one,
    );
  }
}

/** A plain http address has no certificate to verify; without saying so client-node refuses it with words about TLS. */
function withoutTls(cluster: Cluster): Cluster {
  return cluster.server.startsWith('http:') ? { ...cluster, skipTLSVerify: true } : cluster;
}

function accountFile(choice: ClusterChoice, name: string): string {
  return path.join(choice.serviceAccountDir ?? serviceAccount, name);
}

function homeFile(choice: ClusterChoice): string {
  return choice.homeDir === null ? '' : path.join(choice.homeDir, '.kube', 'config');
}

function names(list: readonly { name: string }[]): string {
  return (
    list
      .map(({ name }) => `"${name}"`)
      .slice(0, 20)
      .join(', ') || 'none'
  );
}
