import Fastify from 'fastify';
import type { FastifyInstance } from 'fastify';
import type { AddressInfo } from 'node:net';
import { Deliveries } from './deliveries.ts';
import type { DeliveryTargets } from './deliveries.ts';
import { FaultQueue } from './faults.ts';
import type { FaultRule } from './faults.ts';
import { administration, channelOf } from './administration.ts';
import { Interactions } from './interactions.ts';
import type { Click, Command, Submission } from './interactions.ts';
import type { JsonObject } from './json.ts';
import type {
  ApiCall,
  Channel,
  Delivery,
  Ephemeral,
  MessageWithReplies,
  Refusal,
  User,
  View,
} from './model.ts';
import { RateLimits } from './rate-limits.ts';
import type { LimitSetting } from './rate-limits.ts';
import { responseUrlRoutes } from './response-url-routes.ts';
import { ResponseUrls } from './response-urls.ts';
import { SocketMode } from './socket-mode.ts';
import type { SlackState } from './state.ts';
import { Triggers } from './triggers.ts';
import { uiRoutes } from './ui-routes.ts';
import { webApiRoutes } from './web-api/routes.ts';
import { newWorkspace, standardScopes } from './workspace.ts';
import type { NewChannel, NewUser } from './workspace.ts';

export type SlackSandboxOptions = {
  /** 0, the default, takes any free port of the loopback address. */
  port?: number;
  botToken: string;
  signingSecret: string;
  /** `xapp-…`, for `apps.connections.open`; none by default. */
  appToken?: string;
  /** Clicks, commands and events go over the app's WebSockets, and fail while there is none; off by default. */
  socketMode?: boolean;
  /** Where the service listens; can be told later with `deliverTo`. */
  target?: DeliveryTargets;
  channels?: readonly NewChannel[];
  users?: readonly NewUser[];
  /** What the token may do; by default what the app's manifest asks for. */
  scopes?: readonly string[];
  limits?: LimitSetting;
  /** Milliseconds since 1970. */
  now?: () => number;
  /** How long the service may take to answer; 3,000 by default, as with Slack. */
  answerLimitMs?: number;
  /** Waits before an event is sent again; by default at once, after 1 min and after 5 min. */
  eventRetryDelaysMs?: readonly number[];
};

/** The service's answer to a modal; `errors` by block_id is what the person then sees. */
export type SubmissionResult = Delivery & { errors: Record<string, string> };

export type SlackSandbox = {
  /** The page. */
  url: string;
  /** The Web API's base, for `slackApiUrl`. */
  apiUrl: string;
  botUserId: string;
  teamId: string;
  deliverTo(baseUrl: string): void;

  /** By name with or without '#', or by id. Throws when there is none. */
  channel(name: string): Channel;
  user(key: string): User;
  users(): readonly User[];
  /** Top-level messages, oldest first, as they are now. */
  messages(channelName: string): MessageWithReplies[];
  calls(method?: string): readonly ApiCall[];
  ephemerals(): readonly Ephemeral[];
  /** Open modals and Home tabs. */
  views(): readonly View[];
  /** What Slack refused, or took with a frown. */
  errors(): readonly Refusal[];
  deliveries(): readonly Delivery[];

  /** The answers are those of the service. They reject only when there is nothing to click or nowhere to deliver to. */
  click(click: Click): Promise<Delivery>;
  submitView(submission: Submission): Promise<SubmissionResult>;
  closeView(viewId: string): Promise<Delivery | null>;
  command(command: Command): Promise<Delivery>;
  /** Answers with the first attempt; repetitions appear in `deliveries()`. */
  event(innerEvent: JsonObject): Promise<Delivery>;
  /** Sends what was delivered once more. */
  repeat(delivery: Delivery): Promise<Delivery>;
  urlVerification(): Promise<Delivery & { challengeMatched: boolean }>;
  openHome(user?: string): Promise<Delivery>;
  /** A person writes; returns the ts. */
  say(input: { channel: string; text: string; user?: string; threadTs?: string }): string;

  fault(rule: FaultRule): void;
  clearFaults(): void;
  addChannel(channel: NewChannel): Channel;
  archive(channel: string): void;
  unarchive(channel: string): void;
  removeBot(channel: string): void;
  inviteBot(channel: string): void;
  rename(channel: string, name: string): void;
  deleteMessage(channel: string, ts: string): void;
  /** The WebSockets of the app. */
  sockets: Pick<SocketMode, 'connections' | 'pings' | 'disconnect' | 'drop' | 'freeze'>;

  /** Resolves on the change that makes the predicate answer something truthy, and with that answer. */
  waitFor<T>(predicate: () => T | undefined | null | false, timeoutMs?: number): Promise<T>;
  /** Ends every connection and timer. */
  close(): Promise<void>;
};

/** Starts a Slack workspace on loopback with one app installed. It refuses what Slack refuses. */
export async function startSlackSandbox(options: SlackSandboxOptions): Promise<SlackSandbox> {
  const state = newWorkspace(options);
  const closing = new AbortController();
  let url = '';
  const baseUrl = (): string => url;
  const faults = new FaultQueue();
  const triggers = new Triggers();
  const responseUrls = new ResponseUrls(state, baseUrl);
  const deliverySettings = {
    signingSecret: options.signingSecret,
    answerLimitMs: options.answerLimitMs ?? 3000,
    eventRetryDelaysMs: options.eventRetryDelaysMs ?? [0, 60_000, 300_000],
  };
  const sockets = new SocketMode(state, deliverySettings.answerLimitMs);
  const socketRoute = options.socketMode === true ? sockets : null;
  const deliveries = new Deliveries(state, deliverySettings, options.target ?? null, socketRoute);
  const interactions = new Interactions({ state, deliveries, triggers, responseUrls });

  // A request held by a fault would keep a polite close waiting for ever.
  const server = Fastify({ bodyLimit: 4_000_000, forceCloseConnections: true });
  await server.register(
    webApiRoutes({
      state,
      triggers,
      faults,
      baseUrl,
      limits: new RateLimits(options.limits ?? 'slack'),
      botToken: options.botToken,
      appToken: options.appToken ?? null,
      socketUrl: () => sockets.issueUrl(url),
      scopes: new Set(options.scopes ?? standardScopes),
      closing: closing.signal,
    }),
  );
  await server.register(responseUrlRoutes(responseUrls));
  await server.register(uiRoutes({ state, interactions, baseUrl }));
  sockets.attach(server.server);
  url = await listen(server, options.port ?? 0);

  return {
    url,
    apiUrl: `${url}/api/`,
    botUserId: state.app.botUserId,
    teamId: state.app.teamId,
    deliverTo: (base) => {
      const webhooks = `${base.replace(/\/+$/, '')}/api/v1/slack/webhooks`;
      deliveries.deliverTo({
        interactionsUrl: `${webhooks}/interactions`,
        commandsUrl: `${webhooks}/commands`,
        eventsUrl: `${webhooks}/events`,
      });
    },
    ...readers(state),
    ...actions(interactions),
    ...administration(state, interactions),
    sockets,
    fault: (rule) => faults.add(rule),
    clearFaults: () => faults.clear(),
    waitFor: (predicate, timeoutMs = 5000) => state.feed.waitFor(predicate, timeoutMs),
    close: async () => {
      closing.abort();
      deliveries.close();
      sockets.close();
      state.feed.close();
      await server.close();
    },
  };
}

async function listen(server: FastifyInstance, port: number): Promise<string> {
  await server.listen({ host: '127.0.0.1', port });
  return `http://127.0.0.1:${(server.server.address() as AddressInfo).port}`;
}

function readers(state: SlackState) {
  return {
    channel: (name: string) => channelOf(state, name),
    user: (key: string) => {
      const user = state.findUser(key);
      if (!user) throw new Error(`there is no user ${key}`);
      return user;
    },
    users: () => state.users.filter((each) => !each.isBot),
    messages: (name: string) => state.topLevel(channelOf(state, name).id),
    calls: (method?: string) => state.calls.filter((each) => method === undefined || each.method === method),
    ephemerals: () => [...state.ephemerals],
    views: () => state.views.filter((each) => each.isOpen),
    errors: () => [...state.refusals],
    deliveries: () => [...state.deliveries],
  };
}

function actions(interactions: Interactions) {
  return {
    click: (click: Click) => interactions.click(click),
    submitView: async (submission: Submission): Promise<SubmissionResult> => {
      const { delivery, errors } = await interactions.submit(submission);
      if (!delivery) throw new Error(`the client would not send this modal: ${JSON.stringify(errors)}`);
      return { ...delivery, errors };
    },
    closeView: (viewId: string) => interactions.closeView(viewId),
    command: (command: Command) => interactions.command(command),
    event: (inner: JsonObject) => interactions.event(inner),
    repeat: (delivery: Delivery) => interactions.repeat(delivery),
    urlVerification: () => interactions.urlVerification(),
    openHome: (user?: string) => interactions.openHome(user),
    say: (input: { channel: string; text: string; user?: string; threadTs?: string }) =>
      interactions.say(input),
  };
}
