type Waiter = { check: () => void; fail: (reason: Error) => void };

/** Tells who waits that something changed. Nothing here polls. */
export class ChangeFeed {
  readonly #listeners = new Set<() => void>();
  readonly #waiters = new Set<Waiter>();
  #closed = false;

  changed(): void {
    for (const listener of this.#listeners) listener();
    for (const waiter of this.#waiters) waiter.check();
  }

  /** Returns how to stop listening. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Resolves with the first truthy answer of `predicate`, looked at now and on each change.
   * Rejects after `timeoutMs`, when the predicate throws, and when the sandbox closes.
   */
  waitFor<T>(predicate: () => T | undefined | null | false, timeoutMs: number): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#closed) return reject(new Error('the sandbox is closed'));
      const end = (): void => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
      };
      const fail = (reason: Error): void => {
        end();
        reject(reason);
      };
      const check = (): void => {
        try {
          const found = predicate();
          if (!found) return;
          end();
          resolve(found);
        } catch (cause) {
          fail(new Error('the condition waited for could not be evaluated', { cause }));
        }
      };
      const timer = setTimeout(
        () => fail(new Error(`not seen within ${timeoutMs} ms: ${String(predicate)}`)),
        timeoutMs,
      );
      const waiter: Waiter = { check, fail };
      this.#waiters.add(waiter);
      check();
    });
  }

  close(): void {
    this.#closed = true;
    for (const waiter of this.#waiters) waiter.fail(new Error('the sandbox was closed while waiting'));
    this.#listeners.clear();
  }
}
