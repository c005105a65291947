import type { CardAction } from '../../notify/message.ts';

/** The ids of the buttons on an alert's message. They are part of the service's outside face. */
export const actionIds = {
  acknowledge: 'alert_acknowledge',
  escalate: 'alert_escalate',
  'create-incident': 'alert_create_incident',
  resolve: 'alert_resolve',
  'add-note': 'alert_add_note',
} as const satisfies Record<CardAction, string>;

/** Opens a URL in the browser; Slack reports the click all the same. */
export const traceActionId = 'alert_trace';

/** `event_type` of the metadata of every message about an alert. */
export const messageEventType = 'gomon_alert';
