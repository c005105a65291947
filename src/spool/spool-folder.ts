import { constants } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';

/**
 * The folder of the spool. A request is one file, written whole: under another name
 * first, synced, renamed, and the folder synced, before anybody is told that it was
 * taken. What became of its messages is appended to a journal beside it.
 *
 * Several processes may share the folder: names are unique, and no request is ever
 * rewritten.
 */
export type FolderLimits = { maxBytes: number; maxRequests: number };

const requestEnd = '.json';
const journalEnd = '.posts';
const draftEnd = '.draft';
/** A draft of that age belongs to nobody: writing one takes moments. It was never answered for. */
const draftAgeMs = 60_000;

export class SpoolFolder {
  readonly #dir: string;
  readonly #limits: FolderLimits;
  /** Bytes by id; in the order of arrival, which is that of the ids. */
  readonly #sizes = new Map<string, number>();
  #bytes = 0;
  readonly #writing = new Set<string>();

  constructor(dir: string, limits: FolderLimits) {
    this.#dir = dir;
    this.#limits = limits;
  }

  /** Requests that lie here, or are being written. */
  get count(): number {
    return this.#sizes.size;
  }

  /** Makes the folder if need be; throws where it is none of ours to write to. That it is full passes. */
  async prove(): Promise<void> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    const draft = this.#file(`proof-${process.pid}`, draftEnd);
    await writeFile(draft, '', { mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOSPC' && error.code !== 'EDQUOT') throw error;
    });
    await rm(draft, { force: true });
    await this.#sync();
  }

  /** Makes the folder if need be, and looks what lies in it. Call it again to see what others left. */
  async look(): Promise<string[]> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    const names = await readdir(this.#dir);
    const found = new Set(
      names.filter((name) => name.endsWith(requestEnd)).map((name) => name.slice(0, -requestEnd.length)),
    );
    for (const id of this.#sizes.keys()) if (!found.has(id) && !this.#writing.has(id)) this.#forget(id);
    for (const id of found) {
      if (this.#sizes.has(id)) continue;
      const info = await stat(this.#file(id, requestEnd)).catch(() => null);
      if (info !== null) this.#remember(id, info.size);
    }
    await this.#sweep(names, found);
    return [...this.#sizes.keys()].filter((id) => !this.#writing.has(id)).toSorted();
  }

  /** Durable when it resolves. False: the spool is full. */
  async write(id: string, text: string): Promise<boolean> {
    const bytes = Buffer.byteLength(text);
    if (this.#sizes.size >= this.#limits.maxRequests || this.#bytes + bytes > this.#limits.maxBytes)
      return false;
    // Counted from now on: others who write at the same time must not fill it twice.
    this.#remember(id, bytes);
    this.#writing.add(id);
    const draft = this.#file(id, draftEnd);
    try {
      const file = await open(draft, 'wx', 0o600);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(draft, this.#file(id, requestEnd));
      await this.#sync();
      return true;
    } catch (error) {
      this.#forget(id);
      await rm(draft, { force: true }).catch(() => undefined);
      throw error;
    } finally {
      this.#writing.delete(id);
    }
  }

  /** `gone`: another process took it in. `unreadable`: it is no file, not ours to read, or its disk is broken. */
  async read(
    id: string,
  ): Promise<{ is: 'there'; text: string } | { is: 'gone' } | { is: 'unreadable'; reason: string }> {
    try {
      return { is: 'there', text: await readFile(this.#file(id, requestEnd), 'utf8') };
    } catch (error) {
      const { code = '', message } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') return { is: 'gone' };
      // Of the process, not of the file.
      if (['EMFILE', 'ENFILE', 'ENOMEM'].includes(code)) throw error;
      return { is: 'unreadable', reason: message };
    }
  }

  /** Appends to the journal of a request; durable when it resolves. */
  async note(id: string, fact: Record<string, unknown>): Promise<void> {
    const file = await open(
      this.#file(id, journalEnd),
      constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT,
      0o600,
    );
    try {
      const isNew = (await file.stat()).size === 0;
      await file.writeFile(`${JSON.stringify(fact)}\n`);
      await file.datasync();
      if (isNew) await this.#sync();
    } finally {
      await file.close();
    }
  }

  /** What was noted, in order. A last line that was not written to its end does not count. */
  async notes(id: string): Promise<unknown[]> {
    const text = await readFile(this.#file(id, journalEnd), 'utf8').catch(ignoreMissing);
    return (text ?? '').split('\n').flatMap((line) => {
      try {
        return line === '' ? [] : [JSON.parse(line) as unknown];
      } catch {
        return [];
      }
    });
  }

  /** Journals that belong to no request. */
  async looseJournals(): Promise<string[]> {
    const names = await readdir(this.#dir);
    return names
      .filter((name) => name.endsWith(journalEnd))
      .map((name) => name.slice(0, -journalEnd.length))
      .filter((id) => !names.includes(`${id}${requestEnd}`));
  }

  async remove(id: string): Promise<void> {
    // The journal last: without it a request that is still there would look as if nothing had been told of it.
    await rm(this.#file(id, requestEnd), { force: true });
    await rm(this.#file(id, journalEnd), { force: true });
    this.#forget(id);
  }

  /** Out of the way of the others, for a person to look at. Answers its new name; null: it is not there any more. */
  async setAside(id: string): Promise<string | null> {
    const aside = `${this.#file(id, requestEnd)}.bad`;
    const renamed = await rename(this.#file(id, requestEnd), aside).then(() => aside, ignoreMissing);
    this.#forget(id);
    return renamed;
  }

  /** Puts a file that is no request in the place of the one before: either is whole at any time. */
  async writeOther(name: string, text: string): Promise<void> {
    const draft = this.#file(`${name}-${process.pid}`, draftEnd);
    const file = await open(draft, 'w', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path.join(this.#dir, name));
    await this.#sync();
  }

  /** Null when it is not there. */
  async readOther(name: string): Promise<string | null> {
    return readFile(path.join(this.#dir, name), 'utf8').catch(ignoreMissing);
  }

  #remember(id: string, bytes: number): void {
    this.#sizes.set(id, bytes);
    this.#bytes += bytes;
  }

  #forget(id: string): void {
    this.#bytes -= this.#sizes.get(id) ?? 0;
    this.#sizes.delete(id);
  }

  async #sweep(names: string[], found: Set<string>): Promise<void> {
    for (const name of names) {
      if (!name.endsWith(draftEnd) || found.has(name.slice(0, -draftEnd.length))) continue;
      const file = path.join(this.#dir, name);
      const age = await stat(file).then(
        (info) => Date.now() - info.mtimeMs,
        () => 0,
      );
      if (age > draftAgeMs) await rm(file, { force: true });
    }
  }

  #file(id: string, end: string): string {
    return path.join(this.#dir, `${id}${end}`);
  }

  /** The name of a file is part of its folder, and only as durable as that. */
  async #sync(): Promise<void> {
    if (process.platform === 'win32') return;
    const folder = await open(this.#dir, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null;
  throw error;
}
