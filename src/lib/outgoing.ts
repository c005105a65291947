import { lookup as resolve, type LookupAddress, type LookupOptions } from 'node:dns';
import { Agent, fetch, Request, type RequestInit, type Response } from 'undici';
import { ForbiddenAddressError, isForbiddenAddress, isForbiddenHost } from './forbidden-address.ts';

type Resolved = (
  error: NodeJS.ErrnoException | null,
  address: string | LookupAddress[],
  family?: number,
) => void;

function guardedLookup(hostname: string, options: LookupOptions, done: Resolved): void {
  resolve(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) return done(error, []);
    const [first] = addresses;
    if (addresses.some(({ address }) => isForbiddenAddress(address)))
      return done(new ForbiddenAddressError(), []);
    if (options.all === true || first === undefined) return done(null, addresses);
    return done(null, first.address, first.family);
  });
}

/** The same guard for whoever connects by itself (WebSockets). */
export const guardedConnect = { lookup: guardedLookup };

const agent = new Agent({ connect: guardedConnect });

/**
 * As `fetch`, and the one way out over HTTP, for whoever needs more than `callJson`
 * gives. It follows no redirect, and connects to no forbidden address, also when a
 * name resolves to one: it rejects then with a cause whose code is `forbiddenAddress`.
 * Proxies of the environment are not used.
 */
export async function outgoingFetch(
  input: string | URL | Request,
  init: RequestInit = {},
): Promise<Response> {
  const url = new URL(input instanceof Request ? input.url : input);
  if (isForbiddenHost(url.hostname)) {
    throw new TypeError('fetch failed', { cause: new ForbiddenAddressError() });
  }
  return fetch(input, { ...init, redirect: 'error', dispatcher: agent });
}
