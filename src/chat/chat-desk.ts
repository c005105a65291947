/**
 * The port to where people click: what the chat can do besides showing messages.
 * Calls answer their outcome; nothing here is retried, because a person is waiting.
 */
export interface ChatDesk {
  /** Tells one person something that others do not see. */
  postEphemeral(
    message: { channelId: string; userId: string; text: string },
    signal?: AbortSignal,
  ): Promise<DeskAnswer>;
  /** The same through the address that came with the click; for where the first cannot write. */
  respond(responseUrl: string, text: string, signal?: AbortSignal): Promise<DeskAnswer>;
  openNoteModal(
    request: {
      triggerId: string;
      alertId: string;
      title: string;
      channelId: string | null;
      messageTs: string | null;
    },
    signal?: AbortSignal,
  ): Promise<DeskAnswer>;
  userById(
    id: string,
    signal?: AbortSignal,
  ): Promise<{ ok: true; user: { id: string; name: string; email: string | null } } | DeskFailure>;
}

export type DeskFailure = { ok: false; code: string; detail: string };
export type DeskAnswer = { ok: true } | DeskFailure;

/** What somebody did there, as it was stored when it arrived. */
export type ChatInteraction =
  | {
      kind: 'button';
      actionId: string;
      alertId: string;
      userId: string;
      userName: string;
      /** Null where it was no message: our page in the app, a dialog. */
      channelId: string | null;
      messageTs: string | null;
      /** Which row of the ledger the message carries; null where it carries none. */
      notificationId: string | null;
      /** Opens a dialog, within 3 s of the click. */
      triggerId: string;
      /** Answers the person, five times within 30 minutes. Null where the chat gave none. */
      responseUrl: string | null;
    }
  | {
      kind: 'note-submitted';
      alertId: string;
      text: string;
      userId: string;
      userName: string;
      channelId: string | null;
      messageTs: string | null;
    };
