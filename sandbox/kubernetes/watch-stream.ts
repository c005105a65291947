import { type ApiType, groupVersion, resourceName } from './api-types.ts';
import type { Reply } from './http.ts';
import { shaped, type Shape } from './negotiate.ts';
import type { ObjectStore, SandboxObject, StoredEvent } from './object-store.ts';
import type { Selector } from './selectors.ts';
import { type Status, tooOld } from './status.ts';

export type WatchQuestion = {
  type: ApiType;
  namespace: string | null;
  selects: Selector;
  shape: Shape;
  /** Null: everything that is there comes first. */
  from: number | null;
  hasBookmarks: boolean;
  timeoutMs: number;
};

/** One watch that is open. */
export class WatchStream {
  readonly resource: string;
  readonly namespace: string | null;
  readonly #question: WatchQuestion;
  readonly #store: ObjectStore;
  readonly #reply: Reply;
  readonly #ends: (() => void)[] = [];
  #isSilent = false;
  #isOver = false;

  constructor(question: WatchQuestion, store: ObjectStore, reply: Reply, bookmarkEveryMs: number) {
    this.resource = resourceName(question.type);
    this.namespace = question.namespace;
    this.#question = question;
    this.#store = store;
    this.#reply = reply;
    const timeout = setTimeout(() => this.close(), question.timeoutMs);
    // As a kube-apiserver, which keeps no watch cache of events.
    const isMarked = this.resource !== 'events';
    const bookmarks = setInterval(() => (isMarked ? this.bookmark() : undefined), bookmarkEveryMs);
    this.#ends.push(
      () => clearTimeout(timeout),
      () => clearInterval(bookmarks),
    );
    reply.onClose(() => this.#over());
  }

  /** Answers: first what is there or what happened since, then what happens. */
  begin(): void {
    const { from, type, namespace, selects } = this.#question;
    this.#reply.head(200, { 'content-type': 'application/json' });
    if (from !== null && from < this.#store.oldest) {
      this.error(tooOld(from, this.#store.oldest));
      return;
    }
    if (from === null) {
      for (const object of this.#store.all(type, namespace).filter(selects)) this.#send('ADDED', object);
    } else {
      for (const event of this.#store.since(from)) this.#pass(event);
    }
    this.#ends.push(this.#store.onEvent((event) => this.#pass(event)));
  }

  onEnd(end: () => void): void {
    this.#ends.push(end);
  }

  bookmark(): void {
    if (!this.#question.hasBookmarks) return;
    const { type, shape } = this.#question;
    const metadata = { resourceVersion: String(this.#store.revision), creationTimestamp: null };
    this.#write('BOOKMARK', {
      kind: shape === 'metadata' ? 'PartialObjectMetadata' : type.kind,
      apiVersion: shape === 'metadata' ? 'meta.k8s.io/v1' : groupVersion(type),
      metadata,
    });
  }

  /** The server tells what is wrong within the stream, and ends it. */
  error(status: Status): void {
    this.#write('ERROR', status);
    this.close();
  }

  raw(text: string): void {
    if (!this.#isSilent) this.#reply.write(text);
  }

  /** Nothing comes any more, and nobody says so: a connection that died half. */
  silence(): void {
    this.#isSilent = true;
  }

  close(): void {
    if (this.#isSilent) return;
    this.#reply.end();
    this.#over();
  }

  reset(): void {
    this.#reply.reset();
    this.#over();
  }

  /** An object that leaves the selection is deleted for this watch, one that enters it is new. */
  #pass({ type, verb, object, before }: StoredEvent): void {
    const { type: mine, namespace, selects } = this.#question;
    if (type !== mine || (namespace !== null && object.metadata.namespace !== namespace)) return;
    const was = before !== null && selects(before);
    const is = verb !== 'DELETED' && selects(object);
    if (was && is) this.#send('MODIFIED', object);
    else if (is) this.#send('ADDED', object);
    else if (was) this.#send('DELETED', object);
  }

  #send(verb: string, object: SandboxObject): void {
    this.#write(verb, shaped(object, this.#question.shape));
  }

  #write(type: string, object: unknown): void {
    this.raw(`${JSON.stringify({ type, object })}\n`);
  }

  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const end of this.#ends.splice(0)) end();
  }
}
