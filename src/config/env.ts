/** The environment variables that set something, beside the secrets (`secrets.ts`). They win over the file. */
export const settingVariables = {
  GOMON_HOST: 'server.host',
  GOMON_PORT: 'server.port',
  GOMON_PUBLIC_URL: 'server.publicUrl',
  GOMON_DATA_DIR: 'database.dataDir',
  GOMON_LOG_LEVEL: 'log.level',
  GOMON_KUBERNETES: 'kubernetes.mode',
  GRAFANA_SIGNATURE_HEADER: 'sources.grafana.signatureHeader',
  GRAFANA_TIMESTAMP_HEADER: 'sources.grafana.timestampHeader',
  SLACK_API_URL: 'slack.apiUrl',
  OPSGENIE_API_URL: 'opsgenie.apiUrl',
  JAEGER_QUERY_URL: 'jaeger.queryUrl',
  JAEGER_UI_URL: 'jaeger.uiUrl',
  KUBECONFIG: 'kubernetes.kubeconfig',
} as const;

export type Environment = Record<string, string | undefined>;

/** What a variable holds; empty and blank count as not set, as everywhere in deployments. */
export function readVariable(env: Environment, name: string): string | undefined {
  const text = env[name]?.trim();
  if (text === undefined || text === '') return undefined;
  // Kubernetes sets GOMON_PORT=tcp://10.0.0.1:80 in every pod beside a Service called "gomon".
  if (name === 'GOMON_PORT' && text.startsWith('tcp://')) return undefined;
  return text;
}

/** The value in the type the setting has: only the port is no text. */
export function variableValue(name: string, text: string): unknown {
  return name === 'GOMON_PORT' && /^\d+$/.test(text) ? Number(text) : text;
}
