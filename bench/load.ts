import autocannon from 'autocannon';
import { type Spread, spreadOf } from './figures.ts';

export type LoadResult = { requests: number; seconds: number; perSecond: number; latencyMs: Spread };

/** A request that takes longer has failed, and with it the run. */
const timeoutSeconds = 30;

/**
 * Posts every body once over so many keep-alive connections, each sending its next
 * request when the last one is answered. Anything but a 2xx ends the run: a rate of
 * refusals would be no rate.
 */
export async function postAll(
  url: string,
  bodies: Buffer[],
  options: { connections: number; headers?: Record<string, string> },
): Promise<LoadResult> {
  const { connections } = options;
  if (bodies.length % connections !== 0) throw new Error('every connection needs as many bodies as the next');
  const share = bodies.length / connections;
  const timesMs: number[] = [];
  let clients = 0;
  let endedAt = 0;
  const startedAt = performance.now();
  const result = await new Promise<{ '2xx': number }>((resolve, reject) => {
    const run = autocannon(
      {
        url,
        method: 'POST',
        headers: { 'content-type': 'application/json', ...options.headers },
        connections,
        amount: bodies.length,
        timeout: timeoutSeconds,
        sampleInt: 50,
        setupClient: (client) => {
          const first = clients * share;
          clients += 1;
          client.setRequests(bodies.slice(first, first + share).map((body) => ({ body })));
        },
      },
      (error, outcome) => (error === null ? resolve(outcome) : reject(error)),
    );
    run.on('response', (_client, _status, _bytes, responseTimeMs) => {
      timesMs.push(responseTimeMs);
      endedAt = performance.now();
    });
  });
  if (result['2xx'] !== bodies.length) {
    throw new Error(`${url} took ${result['2xx']} of ${bodies.length} requests: ${JSON.stringify(result)}`);
  }
  const seconds = (endedAt - startedAt) / 1_000;
  return {
    requests: bodies.length,
    seconds,
    perSecond: bodies.length / seconds,
    latencyMs: spreadOf(timesMs),
  };
}
