/**
 * What is known of a message that was posted while the database was away, from the
 * journal of its request. A post is noted before it is sent, so one without an
 * answer may be there.
 */
export type ToldMessage = {
  notificationId: string;
  /** The alert's place in the request. */
  index: number;
  channel: string;
  at: Date;
  outcome: { state: 'posted'; channelId: string; messageId: string } | { state: 'unknown' };
};

export type ToldFact =
  | { fact: 'posting'; notificationId: string; index: number; channel: string; at: string }
  | { fact: 'posted'; notificationId: string; channelId: string; messageId: string }
  /** Surely not there. */
  | { fact: 'refused'; notificationId: string };

/** The journal, folded: what may be there, in the order it was begun. */
export function messagesTold(facts: unknown[]): ToldMessage[] {
  const messages = new Map<string, ToldMessage>();
  for (const fact of facts as ToldFact[]) {
    const known = messages.get(fact.notificationId);
    switch (fact.fact) {
      case 'posting': {
        const { notificationId, index, channel, at } = fact;
        messages.set(notificationId, {
          notificationId,
          index,
          channel,
          at: new Date(at),
          outcome: { state: 'unknown' },
        });
        break;
      }
      case 'posted':
        if (known !== undefined)
          known.outcome = { state: 'posted', channelId: fact.channelId, messageId: fact.messageId };
        break;
      case 'refused':
        messages.delete(fact.notificationId);
        break;
      default:
        fact satisfies never;
    }
  }
  return [...messages.values()];
}
