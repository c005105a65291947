import type { ModalView } from '@slack/types';
import { breakMentions, cutPlain, oneLine } from './slack-text.ts';

/** `callback_id` of the dialog that asks for a note. */
export const noteCallbackId = 'alert_note';
/** Where the typed text stands in a submission: `state.values[noteBlockId][noteActionId].value`. */
export const noteBlockId = 'note';
export const noteActionId = 'text';

/** What comes back with the submission: Slack itself does not say which message it was opened from. */
export type NoteTarget = { alertId: string; channelId: string | null; messageTs: string | null };

/** The dialog for a note on an alert (https://docs.slack.dev/reference/views/modal-views). */
export function noteModal(target: NoteTarget, alertTitle: string): ModalView {
  return {
    type: 'modal',
    callback_id: noteCallbackId,
    private_metadata: JSON.stringify({
      alertId: target.alertId,
      channelId: target.channelId,
      messageTs: target.messageTs,
    } satisfies NoteTarget),
    title: { type: 'plain_text', text: 'Add note' },
    submit: { type: 'plain_text', text: 'Add' },
    close: { type: 'plain_text', text: 'Cancel' },
    blocks: [
      {
        type: 'input',
        block_id: noteBlockId,
        label: {
          type: 'plain_text',
          text: cutPlain(`Note on ${breakMentions(oneLine(alertTitle))}`, 300),
          emoji: false,
        },
        element: {
          type: 'plain_text_input',
          action_id: noteActionId,
          multiline: true,
          min_length: 1,
          max_length: 3000,
        },
      },
    ],
  };
}
