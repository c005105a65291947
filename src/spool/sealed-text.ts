import { createHash } from 'node:crypto';

/** A line with what it is and the checksum of the rest, then the rest: what was not written to its end, or rotted, is known by it. */
export function sealed(magic: string, body: string): string {
  return `${magic} ${checksum(body)}\n${body}`;
}

/** Null: not a whole text of that kind. */
export function unsealed(magic: string, text: string): string | null {
  const end = text.indexOf('\n');
  const body = text.slice(end + 1);
  return end === -1 || text.slice(0, end) !== `${magic} ${checksum(body)}` ? null : body;
}

function checksum(body: string): string {
  return createHash('sha256').update(body).digest('hex');
}
