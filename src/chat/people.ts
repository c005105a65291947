import type { Db } from '../db/pool.ts';
import type { ChatDesk } from './chat-desk.ts';

/** Who a person of the chat is: linked by e-mail where the chat tells it. */
export type LinkedPerson = { slackId: string; email: string | null; name: string };

/** Names and addresses change rarely; asking for each click would cost a call. */
const freshForMs = 24 * 3_600_000;

/**
 * Finds a person, asking the chat when we do not know them or have not for a day.
 * When it does not answer, what we know (or the click itself told) has to do: a
 * click must not fail because a profile cannot be read.
 */
export async function findPerson(
  db: Db,
  desk: ChatDesk,
  click: { userId: string; userName: string },
  now: Date,
  signal: AbortSignal,
): Promise<LinkedPerson> {
  const known = await db
    .selectFrom('people')
    .selectAll()
    .where('slack_id', '=', click.userId)
    .executeTakeFirst();
  if (known !== undefined && now.getTime() - known.fetched_at.getTime() < freshForMs) {
    return { slackId: known.slack_id, email: known.email, name: known.name };
  }
  const answer = await desk.userById(click.userId, signal);
  if (!answer.ok) {
    const told = { slackId: click.userId, email: known?.email ?? null, name: known?.name ?? click.userName };
    return told;
  }
  const person = {
    slackId: click.userId,
    email: answer.user.email?.toLowerCase() ?? null,
    name: answer.user.name,
  };
  await db
    .insertInto('people')
    .values({ slack_id: person.slackId, email: person.email, name: person.name, fetched_at: now })
    .onConflict((conflict) =>
      conflict.column('slack_id').doUpdateSet({ email: person.email, name: person.name, fetched_at: now }),
    )
    .execute();
  return person;
}
