import type { IncidentProvider } from '../../incidents/provider.ts';
import { alertMode } from './alert-mode.ts';
import { createOpsgenieClient, type OpsgenieClient } from './client.ts';
import { incidentMode } from './incident-mode.ts';
import { limits, clipLine } from './limits.ts';
import { type PriorityMap, defaultPriorities } from './priority.ts';
import { type WebUrls, webUrls } from './web-url.ts';

export type OpsgenieOptions = {
  /** Of an API integration; needs the rights to read, create and update. A key works only in its own region. */
  apiKey: string;
  /** `https://api.opsgenie.com`, `https://api.eu.opsgenie.com`, or a compatible API, with its path. */
  apiUrl: string;
  /**
   * `alert`: one alert per incident, found by its alias; acknowledging, owners
   * and opening just once come from the vendor. `incident`: an Opsgenie incident,
   * which has a status page and services but no alias (see `incident-mode.ts`).
   */
  mode: 'alert' | 'incident';
  /** Base of the pages people open; guessed from `apiUrl` otherwise. */
  webUrl?: string;
  priorities?: PriorityMap;
  timeoutMs?: number;
  /** Incident mode only: service ids. */
  impactedServices?: string[];
  /** What the vendor shows as the source of our actions. */
  source?: string;
};

/** What both modes work with. */
export type OpsgenieContext = {
  client: OpsgenieClient;
  urls: WebUrls;
  priorities: PriorityMap;
  source: string;
  impactedServices: string[];
};

/** Opsgenie behind the incident port. Throws only when `apiUrl` is not a URL, which the settings check rules out. */
export function createOpsgenieProvider(options: OpsgenieOptions): IncidentProvider {
  const { apiKey, apiUrl, timeoutMs = 10_000 } = options;
  const context: OpsgenieContext = {
    client: createOpsgenieClient({ apiKey, apiUrl, timeoutMs }),
    urls: webUrls(apiUrl, options.webUrl),
    priorities: options.priorities ?? defaultPriorities,
    source: clipLine(options.source ?? 'GoMon', limits.source),
    impactedServices: options.impactedServices ?? [],
  };
  return {
    name: 'opsgenie',
    // The key is left out of it: a new key for the same account must still find the old incidents.
    connectionId: `opsgenie:${new URL(apiUrl).host}`,
    externalKind: options.mode,
    ...(options.mode === 'alert' ? alertMode(context) : incidentMode(context)),
  };
}

/** The part of the port that differs by mode. */
export type OpsgenieMode = Omit<IncidentProvider, 'name' | 'connectionId' | 'externalKind'>;
