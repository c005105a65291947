/**
 * Takes secrets out of text that people will read: the last words of a crashed
 * container, and what an API server or a credentials plugin says. Errs on the side
 * of masking; digests of images and trace ids stay. Every pattern is linear.
 */

const mask = '***';

/** A name whose value is nobody's business: DB_PASSWORD, apiKey, client-secret, x-auth-token. */
const secretName =
  '[\\w.-]{0,40}(?:passw(?:or)?d|passwd|passphrase|\\bpwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|signing[_-]?key|encryption[_-]?key|credentials?|dsn|cookie|session[_-]?id)[\\w.-]{0,40}';

const rules: readonly [pattern: RegExp, replacement: string][] = [
  // Keys in PEM: whole, begun, and ended.
  [/-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|$)/g, mask],
  [/^[\s\S]*-----END [A-Z ]{0,40}PRIVATE KEY-----/g, mask],
  // The whole rest of the line: a scheme of its own, or several cookies.
  [/\b((?:proxy-)?authorization|set-cookie|cookie)(\\?["']?\s*[:=]\s*)(?![\s*])[^\r\n]+/gi, `$1$2${mask}`],
  [/\b(bearer|basic|negotiate)\s+[\w+/.~=-]{6,}/gi, `$1 ${mask}`],
  // scheme://user:password@host, also with an empty user as in Redis.
  [/\b([a-z][a-z0-9+.-]{1,20}:\/\/[^\s/:@"'<>]{0,100}:)[^\s"'<>]{1,500}@/gi, `$1${mask}@`],
  [/(https:\/\/hooks\.slack\.com\/(?:services|workflows|triggers)\/)[\w/-]+/gi, `$1${mask}`],
  // name=value, name: value, "name": "value", \"name\":\"value\", --name value, ?name=value.
  [
    new RegExp(
      `(${secretName}\\\\?["']?\\s{0,5}(?:=>|:=|[:=])\\s{0,5})(\\\\?["'])(?!\\*{3})(?:(?!\\2)[^\\r\\n])*`,
      'gi',
    ),
    `$1$2${mask}`,
  ],
  [
    new RegExp(
      `(${secretName}\\\\?["']?\\s{0,5}(?:=>|:=|[:=])\\s{0,5})(?![\\\\"'*\\s=>])[^\\s,;&"'<>}\\])]+`,
      'gi',
    ),
    `$1${mask}`,
  ],
  [new RegExp(`(--${secretName}\\s{1,5})(?![-*])[^\\s,;&"']+`, 'gi'), `$1${mask}`],
  // Tokens that are known by their look.
  [/\beyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?/g, mask],
  [/\bx(?:ox[abeoprs]|app)-[\w-]{8,}/g, mask],
  [/\b(?:gh[oprsu]_|github_pat_|glpat-|npm_|hvs\.|dop_v1_|pypi-|shpat_|SG\.)[\w.-]{12,}/g, mask],
  [/\b(?:sk|rk|pk)[-_](?:live|test|proj|ant)?[-_]?[A-Za-z0-9_-]{16,}/g, mask],
  [/\b(?:AKIA|ASIA|AROA)[A-Z0-9]{16}\b/g, mask],
  [/\bAIza[\w-]{30,}/g, mask],
];

export function maskSecrets(text: string): string {
  return rules.reduce((masked, [pattern, replacement]) => masked.replace(pattern, replacement), text);
}
