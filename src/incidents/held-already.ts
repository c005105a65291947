import type { ProviderCommand, ProviderState } from './provider.ts';

/**
 * True when the state is what the command wants, so that its failure there
 * ("alert is already closed") is success here.
 */
export function heldAlready(command: ProviderCommand, state: ProviderState): boolean {
  if (!state.found) return false;
  switch (command.kind) {
    case 'close':
      return state.status === 'closed';
    case 'acknowledge':
      return state.status === 'acknowledged' || state.status === 'closed';
    case 'assign':
      return state.assignee !== null && state.assignee.toLowerCase() === command.assignee.toLowerCase();
    case 'set-severity':
      return state.severity === command.severity;
    case 'open':
    case 'add-note':
      return false;
  }
}
