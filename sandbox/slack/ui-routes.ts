import type { FastifyInstance, FastifyReply } from 'fastify';
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Click, Interactions } from './interactions.ts';
import type { Delivery, Message } from './model.ts';
import { renderPage } from './page.ts';
import type { SlackState } from './state.ts';

type UiParts = { state: SlackState; interactions: Interactions; baseUrl: () => string };

const mostShownMessages = 200;
const mostShownLog = 60;

const values = z.record(z.string(), z.union([z.string(), z.array(z.string())]));
const place = z.union([
  z.object({ channel: z.string(), ts: z.string() }),
  z.object({ ephemeralId: z.string() }),
  z.object({ viewId: z.string(), values: values.optional() }),
]);
const what = z.object({
  actionId: z.string(),
  blockId: z.string().optional(),
  value: z.string().optional(),
  user: z.string(),
});
const clickBody = z.intersection(what, place);
const submitBody = z.object({ viewId: z.string(), values, user: z.string() });
const commandBody = z.object({
  command: z.string(),
  text: z.string(),
  channel: z.string(),
  user: z.string(),
});
const sayBody = z.object({
  channel: z.string(),
  text: z.string(),
  user: z.string(),
  threadTs: z.string().optional(),
});

/** The page and what it calls. Only for a person at this machine: it must not be reachable from other sites. */
export function uiRoutes({
  state,
  interactions,
  baseUrl,
}: UiParts): (scope: FastifyInstance) => Promise<void> {
  return async (scope) => {
    scope.addHook('onRequest', async (request, reply) => {
      const { origin } = request.headers;
      if (
        origin !== undefined &&
        origin !== baseUrl() &&
        origin !== baseUrl().replace('127.0.0.1', 'localhost')
      ) {
        await reply.code(403).send({ ok: false, failure: 'only the page itself may call this' });
      }
    });
    scope.setErrorHandler((error, _request, reply) => {
      const failure =
        error instanceof z.ZodError ? 'the page sent something unexpected' : (error as Error).message;
      return reply.code(400).send({ ok: false, failure });
    });
    scope.get('/', (_request, reply) => sendPage(reply));
    scope.get('/ui/state', (request) =>
      snapshot(state, z.object({ user: z.string().optional() }).parse(request.query).user),
    );
    scope.get('/ui/events', (request, reply) => stream(state, reply, request.raw));

    for (const [name, act] of Object.entries(pageActions(state, interactions))) {
      scope.post(`/ui/${name}`, (request) => act(request.body));
    }
  };
}

/** What the page can do, by the last part of the address. */
function pageActions(
  state: SlackState,
  interactions: Interactions,
): Record<string, (body: unknown) => Promise<object>> {
  return {
    click: async (body) => {
      // exactOptionalPropertyTypes: an absent field has to stay absent.
      const click = JSON.parse(JSON.stringify(clickBody.parse(body))) as Click;
      return outcome(await interactions.click(click));
    },
    submit: async (body) => {
      const { delivery, errors } = await interactions.submit(submitBody.parse(body));
      return { ...(delivery ? outcome(delivery) : { ok: true }), errors };
    },
    'close-view': async (body) => {
      await interactions.closeView(z.object({ viewId: z.string() }).parse(body).viewId);
      return { ok: true };
    },
    command: async (body) => outcome(await interactions.command(commandBody.parse(body))),
    home: async (body) =>
      outcome(await interactions.openHome(z.object({ user: z.string() }).parse(body).user)),
    say: async (body) => {
      const { threadTs, ...said } = sayBody.parse(body);
      return { ok: true, ts: interactions.say(threadTs === undefined ? said : { ...said, threadTs }) };
    },
    dismiss: async (body) => {
      const { id } = z.object({ id: z.string() }).parse(body);
      const index = state.ephemerals.findIndex((each) => each.id === id);
      if (index >= 0) state.ephemerals.splice(index, 1);
      state.feed.changed();
      return { ok: true };
    },
  };
}

function outcome(delivery: Delivery): {
  ok: boolean;
  failure: string | null;
  status: number;
  latencyMs: number;
} {
  const { ok, failure, status, latencyMs } = delivery;
  return { ok, failure, status, latencyMs };
}

function sendPage(reply: FastifyReply): FastifyReply {
  const nonce = randomBytes(16).toString('base64');
  const policy = `default-src 'none'; script-src 'nonce-${nonce}'; style-src 'nonce-${nonce}'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
  return reply
    .type('text/html; charset=utf-8')
    .header('content-security-policy', policy)
    .send(renderPage(nonce));
}

/** Everything the page shows, as one person sees it. */
function snapshot(state: SlackState, userKey: string | undefined): object {
  const user = (userKey !== undefined && state.findUser(userKey)) || state.users.find((each) => !each.isBot);
  const seen = state.channels.filter((each) => each.kind !== 'im' || each.userId === user?.id);
  return {
    user: user?.id ?? null,
    app: state.app,
    users: state.users,
    channels: seen,
    messages: Object.fromEntries(seen.map((each) => [each.id, shown(state.allMessages(each.id))])),
    ephemerals: state.ephemerals.filter((each) => each.userId === user?.id).slice(-mostShownLog),
    views: state.views.filter((each) => each.isOpen && each.userId === user?.id),
    errors: state.refusals.slice(-mostShownLog).map(({ args: _args, ...rest }) => rest),
    deliveries: state.deliveries
      .slice(-mostShownLog)
      .map(({ payload: _payload, body: _body, ...rest }) => rest),
    calls: state.calls.slice(-mostShownLog).map(({ method, at, status, fault, answer }) => ({
      method,
      at,
      status,
      fault,
      error: answer && !answer['ok'] ? answer['error'] : null,
    })),
  };
}

function shown(messages: readonly Message[]): readonly Message[] {
  const last = messages.slice(-mostShownMessages);
  // A reply without its parent in view would be lost, so the parents of the replies come along.
  const parents = new Set(last.map((each) => each.threadTs));
  return [...messages.slice(0, -mostShownMessages).filter((each) => parents.has(each.ts)), ...last];
}

/** Server-sent events: only "something changed"; the page then asks for what it shows. */
function stream(state: SlackState, reply: FastifyReply, request: NodeJS.EventEmitter): void {
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    connection: 'keep-alive',
  });
  raw.write('retry: 1000\ndata: hello\n\n');
  let isPending = false;
  const stop = state.feed.listen(() => {
    if (isPending) return;
    isPending = true;
    // Many changes in one turn of the loop are one piece of news.
    setImmediate(() => {
      isPending = false;
      if (!raw.destroyed) raw.write('data: changed\n\n');
    });
  });
  request.on('close', stop);
}
