import type { Actor, ActionResult } from '../alerts/actions.ts';
import { actionsOf, findAlerts, type StoredAlert } from '../alerts/alert-queries.ts';
import type { Db } from '../db/pool.ts';
import { fromStorableJson } from '../db/text.ts';
import { type IncidentPolicy, openForAlert } from '../incidents/open.ts';
import type { Clock } from '../lib/clock.ts';
import { isUuid } from '../lib/ids.ts';
import { adoptMessage } from '../notify/ledger.ts';
import { actOnMessage, type ChatAction } from './act-on-message.ts';
import type { ChatDesk, ChatInteraction } from './chat-desk.ts';
import { findPerson, type LinkedPerson } from './people.ts';

/**
 * Does what somebody clicked or submitted. The click was stored and answered
 * before; this runs as a job, may run twice, and tells the person quietly when
 * there was nothing left to do.
 */
export type InteractionDependencies = {
  db: Db;
  desk: ChatDesk;
  clock: Clock;
  incidentPolicy: IncidentPolicy;
  /** `read`: people whose e-mail the chat does not tell may look, not act. */
  unlinkedUsers: 'act' | 'read';
  observe: (action: string, userId: string, alertId: string) => void;
};

export async function handleInteraction(
  deps: InteractionDependencies,
  eventId: string,
  signal: AbortSignal,
): Promise<void> {
  const event = await deps.db
    .selectFrom('inbound_events')
    .select(['payload', 'processed_at', 'received_at'])
    .where('id', '=', eventId)
    .executeTakeFirst();
  if (event === undefined || event.processed_at !== null) return;
  const interaction = fromStorableJson(event.payload) as ChatInteraction;
  await adopt(deps, interaction);
  const outcome = await perform(deps, interaction, event.received_at, signal);
  await deps.db
    .updateTable('inbound_events')
    .set({ processed_at: deps.clock.now(), outcome: outcome.slice(0, 500) })
    .where('id', '=', eventId)
    .execute();
}

/** Whoever presses a button sees the message: should its row not know it yet (its answer was lost), it does now. */
async function adopt(deps: InteractionDependencies, interaction: ChatInteraction): Promise<void> {
  if (interaction.kind !== 'button') return;
  const { notificationId, channelId, messageTs: messageId } = interaction;
  // Clicks that were stored by the version before carry none.
  if (typeof notificationId !== 'string' || !isUuid(notificationId)) return;
  if (channelId === null || messageId === null) return;
  await adoptMessage(deps.db, { notificationId, channelId, messageId }, deps.clock.now());
}

/** Answers what came of it, for the record. */
async function perform(
  deps: InteractionDependencies,
  interaction: ChatInteraction,
  receivedAt: Date,
  signal: AbortSignal,
): Promise<string> {
  const [alert] = isUuid(interaction.alertId) ? await findAlerts(deps.db, [interaction.alertId]) : [];
  if (alert === undefined) return tell(deps, interaction, 'This alert is not known here any more.', signal);
  if (interaction.kind === 'button' && interaction.actionId === 'alert_trace') return 'a link was opened';
  const opensNote = interaction.kind === 'button' && interaction.actionId === 'alert_add_note';
  // The dialog has to open within 3 s of the click, so nothing is asked before, unless not everybody may have it.
  if (opensNote && deps.unlinkedUsers === 'act') return openNote(deps, interaction, alert, signal);
  const person = await findPerson(deps.db, deps.desk, interaction, deps.clock.now(), signal);
  if (deps.unlinkedUsers === 'read' && person.email === null) {
    const again =
      interaction.kind === 'button'
        ? 'Please click once more.'
        : `Please send your note once more: ${interaction.text}`;
    const text =
      person.notLookedUp === null
        ? 'You can look, but not act: your Slack account has no e-mail address that links it to a person here.'
        : `Nothing was done: your Slack account could not be looked up just now (${person.notLookedUp}). ${again}`;
    return tell(deps, interaction, text, signal);
  }
  if (opensNote) return openNote(deps, interaction, alert, signal);
  const actor = actorFor(person, interaction);
  if (interaction.kind === 'button' && interaction.actionId === 'alert_create_incident') {
    return createIncident(deps, interaction, alert, actor, signal);
  }
  const action = actionFor(interaction);
  if (action === null) return tell(deps, interaction, 'This button is not known here.', signal);
  const press = { action, actor, pressedAt: receivedAt };
  const result = await actOnMessage(deps.db, alert, press, deps.clock.now());
  if (result.ok && !result.already) {
    deps.observe(action.kind, actor.userId, alert.id);
    return `${action.kind} done`;
  }
  return tell(deps, interaction, await explain(deps, alert, action, result), signal);
}

function actorFor(person: LinkedPerson, interaction: ChatInteraction): Actor {
  return {
    userId: person.email ?? person.slackId,
    door: 'slack',
    about: {
      name: person.name,
      slackUserId: person.slackId,
      ...(interaction.channelId !== null && { channelId: interaction.channelId }),
      ...(interaction.messageTs !== null && { messageTs: interaction.messageTs }),
    },
  };
}

const actions: Record<string, ChatAction> = {
  alert_acknowledge: { kind: 'acknowledge' },
  alert_escalate: { kind: 'escalate' },
  alert_resolve: { kind: 'resolve' },
};

function actionFor(interaction: ChatInteraction): ChatAction | null {
  if (interaction.kind === 'note-submitted') return { kind: 'note', text: interaction.text };
  return Object.hasOwn(actions, interaction.actionId) ? (actions[interaction.actionId] ?? null) : null;
}

async function openNote(
  deps: InteractionDependencies,
  click: Extract<ChatInteraction, { kind: 'button' }>,
  alert: StoredAlert,
  signal: AbortSignal,
): Promise<string> {
  if (alert.archivedAt !== null)
    return tell(deps, click, 'This alert is archived; archived alerts take no notes.', signal);
  const { triggerId, channelId, messageTs } = click;
  const answer = await deps.desk.openNoteModal(
    { triggerId, alertId: alert.id, title: alert.title, channelId, messageTs },
    signal,
  );
  if (answer.ok) return 'dialog opened';
  return tell(
    deps,
    click,
    `The dialog could not be opened (${answer.code}). Please click once more.`,
    signal,
  );
}

async function createIncident(
  deps: InteractionDependencies,
  interaction: ChatInteraction,
  alert: StoredAlert,
  actor: Actor,
  signal: AbortSignal,
): Promise<string> {
  const opened = await openForAlert(
    deps.db,
    { alertId: alert.id },
    deps.incidentPolicy,
    actor,
    deps.clock.now(),
  );
  if (opened.ok && opened.created) {
    deps.observe('create_incident', actor.userId, alert.id);
    return `incident ${opened.incidentId} opened`;
  }
  if (opened.ok) return tell(deps, interaction, 'There is an open incident for this alert already.', signal);
  return tell(deps, interaction, `No incident was opened: ${opened.detail}.`, signal);
}

const doneWords: Record<ChatAction['kind'], string> = {
  acknowledge: 'acknowledged',
  escalate: 'escalated',
  resolve: 'resolved',
  note: 'noted',
};

/** "Already acknowledged by Ann at 03:12 UTC": who was first, and when. */
async function explain(
  deps: InteractionDependencies,
  alert: StoredAlert,
  action: ChatAction,
  result: ActionResult,
): Promise<string> {
  if (!result.ok) {
    if (result.reason === 'forbidden') return `Nothing was changed: ${result.detail}.`;
    return result.reason === 'archived'
      ? 'This alert is archived already.'
      : 'This alert is not known here any more.';
  }
  const done = (await actionsOf(deps.db, { alertId: alert.id })).findLast(
    (entry) => entry.action === action.kind,
  );
  if (done === undefined) return `This alert is already ${doneWords[action.kind]}.`;
  const who = typeof done.details['name'] === 'string' ? done.details['name'] : done.userId;
  const at = `${done.at.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  return `This alert is already ${doneWords[action.kind]}: by ${who} at ${at}.`;
}

/** Tells only the person who clicked; what cannot be told is recorded all the same. */
async function tell(
  deps: InteractionDependencies,
  interaction: ChatInteraction,
  text: string,
  signal: AbortSignal,
): Promise<string> {
  const { channelId, userId } = interaction;
  // What was clicked somewhere else than in a channel has no place for it but the address that came along.
  const isTold =
    channelId !== null && (await deps.desk.postEphemeral({ channelId, userId, text }, signal)).ok;
  if (isTold || interaction.kind !== 'button' || interaction.responseUrl === null) return text;
  await deps.desk.respond(interaction.responseUrl, text, signal);
  return text;
}
