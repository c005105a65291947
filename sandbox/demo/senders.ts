import { createHmac } from 'node:crypto';

/** What came back from the service. */
export type Sent = { status: number; body: unknown };

/** The doors alerts come in by, as their real senders use them. */
export type Senders = {
  /** Grafana's webhook contact point, signed over the exact bytes; `secret` replaces the right one. */
  grafana(payload: unknown, secret?: string): Promise<Sent>;
  alertmanager(payload: unknown): Promise<Sent>;
  prometheus(alerts: unknown): Promise<Sent>;
  /** The REST API, as the admin. */
  api(method: string, path: string, body?: unknown): Promise<Sent>;
};

export function createSenders(to: { url: string; token: string; grafanaSecret: string }): Senders {
  const bearer = { authorization: `Bearer ${to.token}` };
  const send = async (
    method: string,
    where: string,
    body: string | undefined,
    headers: Record<string, string>,
  ): Promise<Sent> => {
    const response = await fetch(new URL(where, to.url), {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body }),
      signal: AbortSignal.timeout(10_000),
    });
    return { status: response.status, body: await response.json() };
  };
  return {
    grafana: (payload, secret = to.grafanaSecret) => {
      const body = JSON.stringify(payload);
      const signature = createHmac('sha256', secret).update(body).digest('hex');
      const headers = { 'user-agent': 'Grafana', 'x-grafana-alerting-signature': signature };
      return send('POST', '/api/v1/webhooks/grafana', body, headers);
    },
    alertmanager: (payload) =>
      send('POST', '/api/v1/webhooks/alertmanager', JSON.stringify(payload), {
        'user-agent': 'Alertmanager/0.28.1',
        ...bearer,
      }),
    prometheus: (alerts) =>
      send('POST', '/api/v2/alerts', JSON.stringify(alerts), { 'user-agent': 'Prometheus/3.5.0', ...bearer }),
    api: (method, path, body) =>
      send(method, path, body === undefined ? undefined : JSON.stringify(body), bearer),
  };
}
