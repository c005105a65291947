const timeoutMs = 30_000;

export type Called = { status: number; text: string; tookMs: number };

/** One request over the connections that are kept open; whatever the status. */
export async function call(
  method: string,
  url: string,
  headers: Record<string, string>,
  body?: Buffer,
): Promise<Called> {
  const startedAt = performance.now();
  const response = await fetch(url, {
    method,
    headers: body === undefined ? headers : { 'content-type': 'application/json; charset=utf-8', ...headers },
    ...(body === undefined ? {} : { body: new Uint8Array(body) }),
    signal: AbortSignal.timeout(timeoutMs),
  });
  const text = await response.text();
  return { status: response.status, text, tookMs: performance.now() - startedAt };
}

/** A POST that has to succeed; answers how long it took. */
export async function post(url: string, body: Buffer, headers: Record<string, string>): Promise<number> {
  const { status, text, tookMs } = await call('POST', url, headers, body);
  if (status >= 300 || text.includes('"ok":false')) throw new Error(`${url} answered ${status}: ${text}`);
  return tookMs;
}
