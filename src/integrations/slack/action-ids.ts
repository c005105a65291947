import type { CardAction } from '../../notify/message.ts';

/**
 * The ids of the buttons on an alert's message that do something here. They are
 * part of the service's outside face. (`alert_trace` only opens a URL; Slack
 * reports that click too, and it is ignored.)
 */
export const actionIds = {
  acknowledge: 'alert_acknowledge',
  escalate: 'alert_escalate',
  'create-incident': 'alert_create_incident',
  resolve: 'alert_resolve',
  'add-note': 'alert_add_note',
} as const satisfies Record<CardAction, string>;

/** `event_type` of the metadata of every message about an alert. */
export const messageEventType = 'gomon_alert';
