import { EventEmitter, once } from 'node:events';
import { Access, type AccessQuestion, type Denial, reviewAccess } from './access.ts';
import { resourceName } from './api-types.ts';
import { type Asked, questionOf, readPath, selectorOf, watchFrom } from './asked.ts';
import { type FaultRule, Faults, type RequestVerb } from './faults.ts';
import { type AskedHttp, type HttpDoor, openDoor, type Reply } from './http.ts';
import { kubeconfig } from './kubeconfig.ts';
import { list, number } from './list.ts';
import { mergePatch } from './merge-patch.ts';
import { negotiate, shaped } from './negotiate.ts';
import { type GivenObject, ObjectStore, type SandboxObject, typeNamed } from './object-store.ts';
import { type ContainerLog, readLog } from './pod-logs.ts';
import { type Status, status, unauthorized } from './status.ts';
import { readyz, type SystemState, versionInfo } from './system-paths.ts';
import { WatchStream } from './watch-stream.ts';

export type KubernetesSandboxOptions = {
  token?: string;
  /** HTTP/2 over TLS, as a real one; plain HTTP/1.1 otherwise. */
  tls?: boolean;
  /** 0, the default, takes a free one. */
  port?: number;
  bookmarkEveryMs?: number;
  gitVersion?: string;
  now?: () => Date;
};

export type SandboxRequest = {
  method: string;
  verb: RequestVerb;
  resource: string;
  namespace: string | null;
  query: Record<string, string>;
  accept: string;
  userAgent: string;
  /** Null: no answer, or one that is not over in the ordinary way. */
  code: number | null;
};

/** Which of the open watches; all when absent. */
export type WatchChoice = { resource?: string; namespace?: string };

/** A running fake API server, with what tests and the demo need to change the cluster behind it. */
export type KubernetesSandbox = {
  url: string;
  token(): string;
  /** Of its certificate; null without TLS. */
  caPem: string | null;
  /** As a file for kubectl and its like. */
  kubeconfig(): string;
  /** Makes an object or puts it in the place of the one with its name. */
  apply(object: GivenObject): SandboxObject;
  /** Merges into what is there (RFC 7396): null removes. */
  patch(
    resource: string,
    namespace: string | null,
    name: string,
    change: Record<string, unknown>,
  ): SandboxObject;
  remove(resource: string, namespace: string | null, name: string): void;
  setLog(namespace: string, pod: string, container: string, log: ContainerLog): void;
  /** A check of /readyz by its name. */
  setCheck(check: string, ok: boolean): void;
  forbid(denial: Denial): void;
  allow(denial?: Denial): void;
  /** A whole kind is not served, as before its definition or while its server is away. */
  withdraw(resource: string): void;
  restore(resource: string): void;
  /** Only the new token counts from now on; requests that run go on. */
  rotateToken(token: string): void;
  compact(): void;
  fault(rule: FaultRule): void;
  clearFaults(): void;
  watches: {
    count(choice?: WatchChoice): number;
    bookmark(choice?: WatchChoice): void;
    reset(choice?: WatchChoice): void;
    close(choice?: WatchChoice): void;
    silence(choice?: WatchChoice): void;
    error(status: Status, choice?: WatchChoice): void;
    garble(text: string, choice?: WatchChoice): void;
  };
  /** Every request since the start, oldest first (the last 20,000). */
  requests(): SandboxRequest[];
  connections(): { open: number; total: number };
  /** Breaks all connections. */
  drop(): void;
  waitFor<T>(look: () => T | null | undefined | false, timeoutMs?: number): Promise<T>;
  stop(): Promise<void>;
};

const keptRequests = 20_000;

export async function startKubernetesSandbox(
  options: KubernetesSandboxOptions = {},
): Promise<KubernetesSandbox> {
  const now = options.now ?? (() => new Date());
  const store = new ObjectStore(now);
  const access = new Access();
  const faults = new Faults();
  const logs = new Map<string, ContainerLog>();
  const withdrawn = new Set<string>();
  const streams = new Set<WatchStream>();
  const requests: SandboxRequest[] = [];
  const changes = new EventEmitter();
  changes.setMaxListeners(0);
  const system: SystemState = { gitVersion: options.gitVersion ?? 'v1.35.0', failing: new Set() };
  let token = options.token ?? 'sandbox-token';
  const changed = (): void => void changes.emit('change');

  function answer(http: AskedHttp, reply: Reply): void {
    const asked = readPath(http.path, withdrawn);
    const question = questionOf(asked, http);
    const request: SandboxRequest = {
      method: http.method,
      verb: question.verb,
      resource: question.resource,
      namespace: question.namespace,
      query: Object.fromEntries(http.query),
      accept: headerOf(http.headers['accept']),
      userAgent: headerOf(http.headers['user-agent']),
      code: null,
    };
    requests.push(request);
    if (requests.length > keptRequests) requests.shift();
    const send = (code: number, body: unknown, headers: Record<string, string> = {}): void => {
      request.code = code;
      const isText = typeof body === 'string';
      reply.head(code, {
        'content-type': isText ? 'text/plain; charset=utf-8' : 'application/json',
        ...headers,
      });
      reply.end(isText ? body : JSON.stringify(body));
    };
    const refuse = (refusal: Status): void => send(refusal.code, refusal);

    if (headerOf(http.headers['authorization']) !== `Bearer ${token}`) {
      refuse(unauthorized);
    } else if (!failed(faults.take(question), reply, send)) {
      const right = question.verb === 'log' ? { ...question, verb: 'get', resource: 'pods/log' } : question;
      carryOut(asked, http, right, reply, send, refuse, request);
    }
    changed();
  }

  function carryOut(
    asked: Asked,
    http: AskedHttp,
    question: AccessQuestion,
    reply: Reply,
    send: (code: number, body: unknown, headers?: Record<string, string>) => void,
    refuse: (refusal: Status) => void,
    request: SandboxRequest,
  ): void {
    if (asked.is === 'nothing') {
      send(404, '404 page not found\n');
      return;
    }
    if (asked.is === 'review') {
      if (http.method !== 'POST') refuse(notAllowed(http.method));
      else if (!/^application\/json\b/.test(headerOf(http.headers['content-type'])))
        refuse(status(415, 'UnsupportedMediaType', 'the body of the request was in an unknown format'));
      else {
        const reviewed = reviewAccess(access, parsed(http.body));
        if ('created' in reviewed) send(201, reviewed.created);
        else refuse(reviewed);
      }
      return;
    }
    if (!access.isAllowed(question)) {
      refuse(access.refusal(question));
      return;
    }
    if (asked.is === 'system') {
      if (asked.path === '/version') send(200, versionInfo(system));
      else {
        const { code, text } = readyz(system, asked.path.slice(1), http.query.has('verbose'));
        send(code, text);
      }
      return;
    }
    // The cluster is changed from behind.
    if (http.method !== 'GET') {
      refuse(notAllowed(http.method));
      return;
    }
    const { type, namespace, name } = asked;
    if (asked.is !== 'collection') {
      const object = store.get(type, namespace, name);
      if (object === undefined) {
        refuse(
          status(404, 'NotFound', `${resourceName(type)} "${name}" not found`, { name, kind: type.plural }),
        );
        return;
      }
      if (asked.is === 'log') {
        const log = readLog(object, logs, http.query);
        if (typeof log === 'string') send(200, log);
        else refuse(log);
        return;
      }
      const shape = negotiate(headerOf(http.headers['accept']) || undefined, 'object');
      if (typeof shape === 'object') refuse(shape);
      else send(200, shaped(object, shape));
      return;
    }
    const isWatch = question.verb === 'watch';
    const shape = negotiate(headerOf(http.headers['accept']) || undefined, isWatch ? 'watch' : 'list');
    const selects = selectorOf(type, http.query);
    if (typeof shape === 'object') refuse(shape);
    else if (typeof selects === 'object') refuse(selects);
    else if (!isWatch) {
      const listed = list(store, type, namespace, http.query, selects, shape);
      send(typeof listed['code'] === 'number' ? listed['code'] : 200, listed);
    } else if (type.isComputed) refuse(notAllowed('WATCH'));
    else {
      const from = watchFrom(http.query);
      const seconds = number(http.query.get('timeoutSeconds'), 'timeoutSeconds');
      if (typeof from === 'object' && from !== null) refuse(from);
      else if (typeof seconds === 'object') refuse(seconds);
      else {
        const stream = new WatchStream(
          {
            type,
            namespace,
            selects,
            shape,
            from,
            hasBookmarks: ['1', 'true'].includes(http.query.get('allowWatchBookmarks') ?? ''),
            timeoutMs: (seconds || 1_800) * 1_000,
          },
          store,
          reply,
          options.bookmarkEveryMs ?? 60_000,
        );
        request.code = 200;
        streams.add(stream);
        stream.onEnd(() => {
          streams.delete(stream);
          changed();
        });
        stream.begin();
      }
    }
  }

  const door: HttpDoor = await openDoor({ tls: options.tls ?? false, port: options.port ?? 0, now }, answer);
  const chosen = (choice: WatchChoice = {}): WatchStream[] =>
    [...streams].filter(
      (stream) =>
        (choice.resource === undefined || choice.resource === stream.resource) &&
        (choice.namespace === undefined || choice.namespace === stream.namespace),
    );
  const told = <Result>(result: Result): Result => {
    changed();
    return result;
  };

  return {
    url: door.url,
    token: () => token,
    caPem: door.caPem,
    kubeconfig: () => kubeconfig(door, token),
    apply: (object) => told(store.apply(object)),
    patch: (resource, namespace, name, change) => {
      const before = store.get(typeNamed(resource), namespace, name);
      if (before === undefined) throw new Error(`there is no ${resource} ${namespace ?? ''}/${name}`);
      return told(store.apply(mergePatch(before, change) as GivenObject));
    },
    remove: (resource, namespace, name) => told(store.remove(resource, namespace, name)),
    setLog: (namespace, pod, container, log) => void logs.set(`${namespace}/${pod}/${container}`, log),
    setCheck: (check, ok) => void (ok ? system.failing.delete(check) : system.failing.add(check)),
    forbid: (denial) => access.forbid(denial),
    allow: (denial) => access.allow(denial),
    withdraw: (resource) => void withdrawn.add(resourceName(typeNamed(resource))),
    restore: (resource) => void withdrawn.delete(resource),
    rotateToken: (next) => {
      token = next;
    },
    compact: () => store.compact(),
    fault: (rule) => faults.add(rule),
    clearFaults: () => faults.clear(),
    watches: {
      count: (choice) => chosen(choice).length,
      bookmark: (choice) => chosen(choice).forEach((stream) => stream.bookmark()),
      reset: (choice) => chosen(choice).forEach((stream) => stream.reset()),
      close: (choice) => chosen(choice).forEach((stream) => stream.close()),
      silence: (choice) => chosen(choice).forEach((stream) => stream.silence()),
      error: (trouble, choice) => chosen(choice).forEach((stream) => stream.error(trouble)),
      garble: (text, choice) => chosen(choice).forEach((stream) => stream.raw(text)),
    },
    requests: () => [...requests],
    connections: () => door.connections(),
    drop: () => door.drop(),
    waitFor: async (look, timeoutMs = 10_000) => {
      const signal = AbortSignal.timeout(timeoutMs);
      for (;;) {
        const found = look();
        if (found !== null && found !== undefined && found !== false) return found;
        // Not everything that is waited for happens here.
        await Promise.race([
          once(changes, 'change', { signal }).catch((error: unknown) => {
            throw new Error(`sandbox Kubernetes: nothing of the kind within ${timeoutMs} ms`, {
              cause: error,
            });
          }),
          new Promise((later) => setTimeout(later, 10)),
        ]);
      }
    },
    stop: async () => {
      for (const stream of streams) stream.reset();
      await door.close();
    },
  };
}

/** True when the fault was the answer. */
function failed(
  fault: FaultRule | null,
  reply: Reply,
  send: (code: number, body: unknown, headers?: Record<string, string>) => void,
): boolean {
  switch (fault?.effect) {
    case undefined:
      return false;
    case 'status':
      send(fault.status.code, fault.status, fault.headers);
      return true;
    case 'throttle':
      send(429, 'Too many requests, please try again later.\n', {
        'retry-after': String(fault.retryAfterSeconds ?? 1),
      });
      return true;
    case 'html':
      send(fault.code, '<html><body>proxy</body></html>', { 'content-type': 'text/html' });
      return true;
    case 'hang':
      return true;
    case 'reset':
      reply.reset();
      return true;
    case 'cut':
      reply.head(200, { 'content-type': 'application/json' });
      reply.write('{"kind":"PodList","items":[{"metadata":');
      reply.end();
      return true;
  }
}

function notAllowed(method: string): Status {
  return status(
    405,
    'MethodNotAllowed',
    `the server does not allow this method on the requested resource (${method})`,
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function headerOf(header: string | string[] | undefined): string {
  return (Array.isArray(header) ? header[0] : header) ?? '';
}
