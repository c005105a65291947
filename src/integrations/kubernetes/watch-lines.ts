import { StringDecoder } from 'node:string_decoder';

/** etcd takes no object above 1.5 MiB; what JSON makes of it can be longer. */
const longestLine = 8 * 1024 * 1024;

/** Cuts a stream of bytes into lines. Throws where one is longer than any object can be. */
export class WatchLines {
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';

  *push(chunk: Buffer): Generator<string> {
    this.#rest += this.#decoder.write(chunk);
    let from = 0;
    for (let at = this.#rest.indexOf('\n'); at >= 0; at = this.#rest.indexOf('\n', from)) {
      const line = this.#rest.slice(from, at).trim();
      from = at + 1;
      if (line !== '') yield line;
    }
    this.#rest = this.#rest.slice(from);
    if (this.#rest.length > longestLine) throw new Error('a line of the watch does not end');
  }
}
