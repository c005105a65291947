/** Where people open things, worked out from where the API is. */
export type WebUrls = { alert(id: string): string; incident(id: string): string };

const appHosts: Record<string, string> = {
  'api.opsgenie.com': 'https://app.opsgenie.com',
  'api.eu.opsgenie.com': 'https://app.eu.opsgenie.com',
  'api.sandbox.opsgenie.com': 'https://app.sandbox.opsgenie.com',
};

/** `webUrl` overrides the guess, for accounts with an address of their own (`https://example.app.opsgenie.com`). */
export function webUrls(apiUrl: string, webUrl: string | undefined): WebUrls {
  const api = new URL(apiUrl);
  const base = (webUrl ?? appHosts[api.hostname] ?? api.origin).replace(/\/+$/, '');
  return {
    alert: (id) => `${base}/alert/detail/${encodeURIComponent(id)}/details`,
    incident: (id) => `${base}/incident/detail/${encodeURIComponent(id)}`,
  };
}
