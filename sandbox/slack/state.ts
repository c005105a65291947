import { ChangeFeed } from './change-feed.ts';
import { newId, Timestamps } from './ids.ts';
import type {
  ApiCall,
  Channel,
  Delivery,
  Ephemeral,
  Message,
  MessageWithReplies,
  Refusal,
  User,
  View,
} from './model.ts';

/** The app under test, as Slack knows it. */
export type AppIdentity = {
  teamId: string;
  teamName: string;
  teamDomain: string;
  appId: string;
  botId: string;
  botUserId: string;
  botName: string;
};

export type NewMessage = Pick<
  Message,
  | 'channelId'
  | 'threadTs'
  | 'isBroadcast'
  | 'userId'
  | 'botId'
  | 'text'
  | 'blocks'
  | 'attachments'
  | 'metadata'
>;

export type MessageContent = Pick<Message, 'text' | 'blocks' | 'attachments' | 'metadata'>;

/** Logs are for tests and the page; a long demo must not grow without end. */
const mostLogged = 20_000;

/** The workspace: what is in it now, and the log of how it came to be. Every change is announced. */
export class SlackState {
  readonly app: AppIdentity;
  readonly feed = new ChangeFeed();
  readonly now: () => number;
  readonly users: User[] = [];
  readonly channels: Channel[] = [];
  readonly ephemerals: Ephemeral[] = [];
  readonly views: View[] = [];
  readonly calls: ApiCall[] = [];
  readonly refusals: Refusal[] = [];
  readonly deliveries: Delivery[] = [];
  readonly #messages = new Map<string, Message[]>();
  readonly #timestamps = new Map<string, Timestamps>();

  constructor(app: AppIdentity, now: () => number) {
    this.app = app;
    this.now = now;
  }

  log<T>(list: T[], entry: T): void {
    list.push(entry);
    if (list.length > mostLogged) list.shift();
    this.feed.changed();
  }

  refuse(where: string, error: string, detail: string, args: Refusal['args']): void {
    this.log(this.refusals, { at: this.now(), where, error, detail, args });
  }

  /** By id, or by name with or without '#'. */
  findChannel(idOrName: string): Channel | undefined {
    const name = idOrName.replace(/^#/, '');
    return this.channels.find((each) => each.id === idOrName || (each.kind !== 'im' && each.name === name));
  }

  /** By id, handle or e-mail. */
  findUser(key: string): User | undefined {
    return this.users.find((each) => each.id === key || each.name === key || each.email === key);
  }

  addChannel(channel: Omit<Channel, 'id'>): Channel {
    const added = { id: newId(channel.kind === 'im' ? 'D' : 'C'), ...channel };
    this.channels.push(added);
    this.feed.changed();
    return added;
  }

  /** The direct message channel with a person, opened if need be. */
  openIm(user: User): { channel: Channel; wasOpen: boolean } {
    const open = this.channels.find((each) => each.kind === 'im' && each.userId === user.id);
    if (open) return { channel: open, wasOpen: true };
    const channel = this.addChannel({
      name: user.name,
      kind: 'im',
      isArchived: false,
      botIsMember: true,
      userId: user.id,
    });
    return { channel, wasOpen: false };
  }

  nextTs(channelId: string): string {
    let timestamps = this.#timestamps.get(channelId);
    if (!timestamps) this.#timestamps.set(channelId, (timestamps = new Timestamps()));
    return timestamps.next(this.now());
  }

  /** Every message of a channel in the order of their ts, replies included. */
  allMessages(channelId: string): readonly Message[] {
    return this.#messages.get(channelId) ?? [];
  }

  findMessage(channelId: string, ts: string): Message | undefined {
    return this.allMessages(channelId).find((each) => each.ts === ts);
  }

  replies(channelId: string, ts: string): Message[] {
    return this.allMessages(channelId).filter((each) => each.threadTs === ts);
  }

  topLevel(channelId: string): MessageWithReplies[] {
    const roots = this.allMessages(channelId).filter((each) => each.threadTs === null);
    return roots.map((root) => ({ ...root, replies: this.replies(channelId, root.ts) }));
  }

  addMessage(message: NewMessage): Message {
    const added: Message = {
      ...message,
      ts: this.nextTs(message.channelId),
      editedCount: 0,
      showsEdited: false,
      versions: [],
      reactions: [],
      isTombstone: false,
      failedClick: null,
    };
    const list = this.#messages.get(message.channelId);
    if (list) list.push(added);
    else this.#messages.set(message.channelId, [added]);
    this.feed.changed();
    return added;
  }

  changeMessage(message: Message, content: MessageContent): void {
    message.versions.push({ text: message.text, blocks: message.blocks, at: this.now() });
    Object.assign(message, content);
    message.editedCount += 1;
    message.showsEdited = content.blocks.length === 0;
    message.failedClick = null;
    this.feed.changed();
  }

  deleteMessage(message: Message): void {
    if (message.threadTs === null && this.replies(message.channelId, message.ts).length > 0) {
      Object.assign(message, {
        isTombstone: true,
        text: 'This message was deleted.',
        blocks: [],
        attachments: [],
        metadata: null,
      });
    } else {
      const list = this.#messages.get(message.channelId) ?? [];
      list.splice(list.indexOf(message), 1);
    }
    this.feed.changed();
  }

  addEphemeral(ephemeral: Omit<Ephemeral, 'id' | 'ts'>): Ephemeral {
    const added = { id: newId('E'), ts: this.nextTs(ephemeral.channelId), ...ephemeral };
    this.log(this.ephemerals, added);
    return added;
  }
}
