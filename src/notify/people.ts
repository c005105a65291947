import { sql } from 'kysely';
import type { Db, Tx } from '../db/pool.ts';
import { toStorable } from '../db/text.ts';
import type { Person } from './message.ts';

/** People are recorded by e-mail where it is known, else by the id of the place they acted from. */
export async function findPeople(db: Db | Tx, userIds: string[]): Promise<Map<string, Person>> {
  if (userIds.length === 0) return new Map();
  const ids = userIds.map(bareId).map(toStorable);
  const rows = await db
    .selectFrom('people')
    .selectAll()
    .where((where) =>
      where.or([
        where('slack_id', '=', sql<string>`ANY(${ids}::text[])`),
        where('email', '=', sql<string>`ANY(${ids}::text[])`),
      ]),
    )
    .execute();
  const people = new Map<string, Person>();
  for (const row of rows) {
    const person = { id: row.email ?? row.slack_id, name: row.name, slackId: row.slack_id };
    people.set(row.slack_id, person);
    if (row.email !== null) people.set(row.email, person);
  }
  return people;
}

/** Somebody of whom nothing but an id of Slack is known has that for a name; Slack shows theirs in its place. */
export function personOf(people: Map<string, Person>, userId: string): Person {
  const id = bareId(userId);
  return people.get(id) ?? { id: userId, name: id, slackId: isSlackId(id) ? id : null };
}

/** Names in capitals have no digits, ids of Slack nearly always. */
function isSlackId(id: string): boolean {
  return /^[UW](?=[A-Z]*\d)[A-Z0-9]{7,20}$/.test(id);
}

/** Without where they were: `opsgenie:ada@example.com` is the Ada that Slack knows. */
function bareId(userId: string): string {
  return userId.replace(/^[a-z]+:/, '');
}
