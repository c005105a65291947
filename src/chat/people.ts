import type { Db } from '../db/pool.ts';
import type { ChatDesk } from './chat-desk.ts';

/**
 * Who a person of the chat is: linked by e-mail where the chat tells it. `notLookedUp`
 * is why it could not be asked just now: then no e-mail address means nothing.
 */
export type LinkedPerson = {
  slackId: string;
  email: string | null;
  name: string;
  notLookedUp: string | null;
};

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
    return { slackId: known.slack_id, email: known.email, name: known.name, notLookedUp: null };
  }
  const answer = await desk.userById(click.userId, signal);
  if (!answer.ok) {
    const { email, name } = known ?? { email: null, name: click.userName };
    return { slackId: click.userId, email, name, notLookedUp: answer.code };
  }
  const person = {
    slackId: click.userId,
    email: answer.user.email?.toLowerCase() ?? null,
    name: answer.user.name,
    notLookedUp: null,
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
