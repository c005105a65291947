/**
 * Takes credentials out of text that is about to leave: the last line of defence, for
 * what a driver, a vendor or a URL repeats. It works on lines of JSON, so it never
 * touches a quote or a backslash.
 */
const masked = '***';

const patterns: readonly (readonly [pattern: RegExp, replacement: string])[] = [
  // Slack's tokens say what they are.
  [/\bx(?:ox[a-z]|app)-[A-Za-z0-9-]{4,}/g, masked],
  [/\bgomon_[A-Za-z0-9_-]{20,}/g, masked],
  [/\b(Bearer|GenieKey)(\s+)[A-Za-z0-9._~+/=-]{4,}/gi, `$1$2${masked}`],
  // In words "basic" is followed by letters only.
  [/\b(Basic)(\s+)(?=[A-Za-z]*[0-9+/=])[A-Za-z0-9+/=]{8,}/gi, `$1$2${masked}`],
  // user:password@ of any URL.
  [/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@"\\]*:[^\s/@"\\]*@/gi, `$1${masked}@`],
  // …?token=…, also in forms.
  [
    /\b((?:access_|api_?|app_|auth_?)?(?:token|key|secret|password|passwd|signature|sig)=)[^&\s"\\#]+/gi,
    `$1${masked}`,
  ],
  [/\b(hooks\.slack\.com\/(?:services|workflows|actions|commands)\/)[^\s"\\]+/gi, `$1${masked}`],
];

/** Shorter ones would take ordinary words out of every line. */
const shortestSecret = 6;

/** @param secrets what is configured; taken out wherever it stands, also in the spelling of JSON. */
export function createMask(secrets: readonly string[]): (text: string) => string {
  const known = [
    ...new Set(
      secrets.flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)]),
    ),
  ]
    .filter((secret) => secret.length >= shortestSecret)
    // The longest first: one may be part of another.
    .toSorted((a, b) => b.length - a.length);
  return (text) => {
    let out = text;
    for (const secret of known) out = out.replaceAll(secret, masked);
    for (const [pattern, replacement] of patterns) out = out.replace(pattern, replacement);
    return out;
  };
}
