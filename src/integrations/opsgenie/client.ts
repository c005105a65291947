import type { ProviderFailure } from '../../incidents/provider.ts';
import { callJson, type HttpRequest, type HttpResponse, maskSecrets } from '../../lib/http.ts';
import { classifyFailure, classifyStatus } from './failure.ts';

/** Opsgenie's HTTP conventions: base URL, key, and what a failure means. */
export type OpsgenieClient = {
  /** `path` begins with a slash and is already encoded. 2xx answers only; everything else is a failure with its `code`. */
  call(
    method: HttpRequest['method'],
    path: string,
    json: unknown,
    signal: AbortSignal,
  ): Promise<OpsgenieAnswer>;
  /** For words of Opsgenie's that are logged or kept: they may quote our key. The details of failures are masked already. */
  mask: (text: string) => string;
};

export type OpsgenieAnswer = HttpResponse | ProviderFailure;

export type OpsgenieClientOptions = {
  apiKey: string;
  /** With or without a path and a slash at its end. */
  apiUrl: string;
  timeoutMs: number;
};

/** Opsgenie's own have 36 characters; shorter ones are made up, to try something out. */
const shortestRealKey = 16;

/** A page of 100 incidents with long descriptions stays below it. */
const maxBodyBytes = 4 * 1024 * 1024;

export function createOpsgenieClient(options: OpsgenieClientOptions): OpsgenieClient {
  const base = options.apiUrl.replace(/\/+$/, '');
  const http = {
    timeoutMs: options.timeoutMs,
    maxBodyBytes,
    headers: { authorization: `GenieKey ${options.apiKey}` },
  };
  const mask = (text: string): string => maskSecrets(text, [options.apiKey]);
  const masked = (failure: ProviderFailure): ProviderFailure => ({
    ...failure,
    detail: mask(failure.detail),
  });
  /** An answer may quote the key anywhere, ids too. One so short that it is part of ordinary words would garble what is read. */
  const withoutKey = (body: unknown): unknown => {
    if (options.apiKey.length < shortestRealKey) return body;
    const text = JSON.stringify(body) ?? '';
    return text.includes(options.apiKey) ? JSON.parse(mask(text)) : body;
  };
  return {
    mask,
    async call(method, path, json, signal) {
      const request: HttpRequest = { method, url: base + path, ...(json !== undefined && { json }) };
      const result = await callJson(request, http, signal);
      if (!result.ok) return masked(classifyFailure(result));
      if (result.status >= 200 && result.status < 300) return { ...result, body: withoutKey(result.body) };
      return masked(classifyStatus(result.status, result.headers, result.body));
    },
  };
}
