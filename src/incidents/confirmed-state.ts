import { type Severity, severities } from '../alerts/alert.ts';
import { fromStorableJson, toStorableJson } from '../db/text.ts';
import type { CommandPayload } from './incident-store.ts';
import type { ConfirmedState, Facet, Said } from './merge.ts';

/** The column `incidents.confirmed_state`: read leniently, since an older or newer version may have written it. */

export function readConfirmedState(column: unknown): ConfirmedState | null {
  if (typeof column !== 'object' || column === null) return null;
  const stored = fromStorableJson(column) as Record<string, unknown>;
  const said = Object.entries((stored['said'] ?? {}) as Record<string, unknown>);
  return {
    closed: stored['closed'] === true,
    acknowledged: stored['acknowledged'] === true,
    owner: typeof stored['owner'] === 'string' ? stored['owner'] : null,
    severity: severities.find((severity) => severity === stored['severity']) ?? null,
    said: Object.fromEntries(said.map(([facet, value]) => [facet, readSaid(value)])),
  };
}

function readSaid(value: unknown): Said {
  const { by, vendorAt, at } = value as { by?: unknown; vendorAt?: unknown; at?: unknown };
  return {
    by: typeof by === 'string' ? by : 'system',
    vendorAt: typeof vendorAt === 'string' ? new Date(vendorAt) : null,
    at: new Date(typeof at === 'string' ? at : 0),
  };
}

export function writeConfirmedState(state: ConfirmedState): string {
  return toStorableJson(state);
}

/** Which part of the state a command sets; null for what sets none. */
export function facetOf(kind: CommandPayload['kind']): Facet | null {
  switch (kind) {
    case 'acknowledge':
      return 'acknowledged';
    case 'assign':
      return 'owner';
    case 'set-severity':
      return 'severity';
    case 'close':
      return 'closed';
    case 'open':
    case 'add-note':
      return null;
  }
}

/** The state after the provider confirmed a command. */
export function afterCommand(
  before: ConfirmedState | null,
  command: CommandPayload,
  said: Said,
): ConfirmedState {
  const state: ConfirmedState = before ?? opened(null);
  switch (command.kind) {
    case 'open':
      return opened(command.incident.severity);
    case 'acknowledge':
      return { ...state, acknowledged: true, said: { ...state.said, acknowledged: said } };
    case 'assign':
      return { ...state, owner: command.assignee, said: { ...state.said, owner: said } };
    case 'set-severity':
      return { ...state, severity: command.severity, said: { ...state.said, severity: said } };
    case 'close':
      // A twin is not the incident.
      if (command.twin !== undefined) return state;
      return { ...state, closed: true, said: { ...state.said, closed: said } };
    case 'add-note':
      return state;
  }
}

/** The state of what was opened with this severity and never spoken of since. */
export function opened(severity: Severity | null): ConfirmedState {
  return { closed: false, acknowledged: false, owner: null, severity, said: {} };
}
