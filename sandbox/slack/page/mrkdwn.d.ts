/** A piece of formatted text. The page builds elements from it and never HTML, so nothing can slip through. */
export type Piece =
  | { kind: 'text'; text: string }
  | { kind: 'break' }
  | { kind: 'bold' | 'italic' | 'strike' | 'quote'; children: Piece[] }
  | { kind: 'code' | 'pre'; text: string }
  | { kind: 'link'; url: string; label: string }
  | { kind: 'user' | 'channel' | 'group'; id: string; label: string }
  | { kind: 'broadcast'; name: string }
  | { kind: 'date'; seconds: number; format: string; url: string; fallback: string }
  | { kind: 'emoji'; name: string };

export function parseMrkdwn(text: string, options: { verbatim: boolean }): Piece[];
export function parsePlain(text: string): Piece[];
export function safeUrl(url: string): string | null;
