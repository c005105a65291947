import { type Answer, type ApiCall, type Route, notFound, unprocessable } from './answer.ts';
import { type OpsgenieState, type SandboxHeartbeat, iso } from './state.ts';
import { BodyCheck } from './validate.ts';

const unitMs = { minutes: 60_000, hours: 3_600_000, days: 86_400_000 } as const;

/** Heartbeats. A ping is answered PONG even when no such heartbeat exists, as there. */
export function heartbeatRoutes(state: OpsgenieState): Route[] {
  const ping = ({ params }: ApiCall): Answer => {
    const heartbeat = state.heartbeats.get(params[0] ?? '');
    if (heartbeat) {
      heartbeat.lastPingAtMs = state.now();
      state.changed();
    }
    return { status: 202, body: { result: 'PONG - Heartbeat received' } };
  };
  return [
    ...['GET', 'POST', 'PUT', 'PATCH'].map((method) => ({
      method,
      path: /^\/v2\/heartbeats\/([^/]+)\/ping$/,
      answer: ping,
    })),
    { method: 'POST', path: /^\/v2\/heartbeats$/, answer: create },
    {
      method: 'GET',
      path: /^\/v2\/heartbeats$/,
      answer: () => ({
        status: 200,
        body: { data: { heartbeats: [...state.heartbeats.values()].map(show) } },
      }),
    },
    {
      method: 'GET',
      path: /^\/v2\/heartbeats\/([^/]+)$/,
      answer: ({ params }) => {
        const heartbeat = state.heartbeats.get(params[0] ?? '');
        return heartbeat
          ? { status: 200, body: { data: show(heartbeat) } }
          : notFound('Heartbeat not found.');
      },
    },
  ];

  function create({ body }: ApiCall): Answer {
    const check = new BodyCheck(body);
    const name = check.text('name', 200, 'required');
    const description = check.text('description', 10_000) ?? '';
    const { interval, enabled = true } = body;
    const intervalUnit = (['minutes', 'hours', 'days'] as const).find(
      (unit) => unit === body['intervalUnit'],
    );
    if (typeof interval !== 'number' || !Number.isInteger(interval) || interval < 1)
      check.errors['interval'] = 'interval should be at least 1.';
    if (intervalUnit === undefined)
      check.errors['intervalUnit'] = 'intervalUnit should be one of [minutes, hours, days].';
    if (check.failed || name === undefined || typeof interval !== 'number' || intervalUnit === undefined)
      return unprocessable(check.errors);
    if (state.heartbeats.has(name)) return { status: 409, body: { message: 'Heartbeat already exists.' } };
    const heartbeat: SandboxHeartbeat = {
      name,
      description,
      interval,
      intervalUnit,
      enabled: enabled === true,
      lastPingAtMs: null,
    };
    state.heartbeats.set(name, heartbeat);
    state.changed();
    return { status: 201, body: { result: 'Created', data: show(heartbeat) } };
  }

  function show({
    name,
    description,
    interval,
    intervalUnit,
    enabled,
    lastPingAtMs,
  }: SandboxHeartbeat): Record<string, unknown> {
    const expired =
      enabled && lastPingAtMs !== null && state.now() - lastPingAtMs > interval * unitMs[intervalUnit];
    return {
      name,
      description,
      interval,
      intervalUnit,
      enabled,
      expired,
      ...(lastPingAtMs !== null && { lastPingTime: iso(lastPingAtMs) }),
    };
  }
}
