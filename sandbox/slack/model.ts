import type { JsonObject } from './json.ts';

/** What lives in the sandbox workspace. Field names are ours; payloads translate to Slack's. */
export type User = { id: string; name: string; realName: string; email: string; isBot: boolean };

export type Channel = {
  id: string;
  name: string;
  kind: 'public' | 'private' | 'im';
  isArchived: boolean;
  /** Whether the app's bot is a member: only then may it read. */
  botIsMember: boolean;
  /** The person at the other end of a direct message. */
  userId: string | null;
};

export type MessageVersion = { text: string; blocks: JsonObject[]; at: number };

export type Message = {
  channelId: string;
  ts: string;
  /** The parent's ts, for a reply. */
  threadTs: string | null;
  isBroadcast: boolean;
  userId: string;
  /** Set when the app wrote it; only then can the app change it. */
  botId: string | null;
  text: string;
  /** Empty when the message has none. */
  blocks: JsonObject[];
  attachments: JsonObject[];
  metadata: JsonObject | null;
  /** How often it was changed by chat.update or a response_url. */
  editedCount: number;
  /** Slack writes "(edited)" only on messages without blocks. */
  showsEdited: boolean;
  /** What it said before, oldest first. */
  versions: MessageVersion[];
  reactions: { name: string; users: string[] }[];
  /** A deleted message that has replies stays as a placeholder. */
  isTombstone: boolean;
  /** The last click that failed, shown as a warning triangle. */
  failedClick: string | null;
};

/** A message as the tests see it, with its thread. */
export type MessageWithReplies = Message & { replies: Message[] };

export type Ephemeral = {
  id: string;
  channelId: string;
  userId: string;
  ts: string;
  threadTs: string | null;
  text: string;
  blocks: JsonObject[];
  attachments: JsonObject[];
  /** Where it came from: an API method, a response_url, a command's answer or the client itself. */
  origin: 'chat.postEphemeral' | 'response_url' | 'command' | 'client';
};

export type View = {
  id: string;
  type: 'modal' | 'home';
  userId: string;
  /** The view as the app sent it, with ids filled in. */
  definition: JsonObject;
  hash: string;
  rootId: string;
  previousId: string | null;
  /** A modal that was closed or submitted is kept here for the tests, but not shown. */
  isOpen: boolean;
};

export type ApiCall = {
  method: string;
  /** Milliseconds since 1970, by the sandbox's clock. */
  at: number;
  /** JSON fields (blocks, metadata, view, attachments) already decoded; the token is left out. */
  args: JsonObject;
  status: number;
  /** Null when the caller got no JSON: a timeout, a reset, an HTML page. */
  answer: JsonObject | null;
  /** The fault that hit this call, if one did. */
  fault: string | null;
  applied: boolean;
};

/** Something a real Slack would have refused, or taken with a frown. */
export type Refusal = {
  at: number;
  /** The Web API method, or "response_url", "command", "view_submission", "block_actions", "event", "socket". */
  where: string;
  error: string;
  detail: string;
  args: JsonObject;
};

export type Delivery = {
  id: number;
  kind: 'interaction' | 'command' | 'event';
  /** "block_actions", "view_submission", "/gomon", "event_callback:app_mention", "url_verification". */
  type: string;
  at: number;
  /** 0 for the first attempt; events are tried again. */
  retry: number;
  /** What was sent, decoded. */
  payload: JsonObject;
  via: 'http' | 'socket';
} & DeliveryAnswer;

export type DeliveryAnswer = {
  /** False when the answer was late, not 200 or did not come. */
  ok: boolean;
  /** 0 when there was no answer. */
  status: number;
  body: string;
  contentType: string;
  latencyMs: number;
  /** Slack's words for what went wrong: http_timeout, connection_failed, http_error. */
  failure: 'http_timeout' | 'connection_failed' | 'http_error' | null;
  /** The service asked not to be sent this event again. */
  noRetry: boolean;
};
