/**
 * What every answer says to a browser: take the type as it is named, show it in no
 * frame, load nothing with it, tell nobody the address, keep no copy. There is no
 * CORS header anywhere: no other origin may read us.
 */
const contentSecurityPolicy = {
  'default-src': "'none'",
  'frame-ancestors': "'none'",
  'base-uri': "'none'",
  'form-action': "'none'",
};

/** For `@fastify/helmet`, which adds the rest of its own; HSTS only where people reach us by https. */
export function helmetOptions(isHttps: boolean) {
  return {
    contentSecurityPolicy: { useDefaults: false, directives: listed(contentSecurityPolicy) },
    frameguard: { action: 'deny' as const },
    referrerPolicy: { policy: 'no-referrer' as const },
    hsts: isHttps ? { maxAge: 31_536_000, includeSubDomains: false } : (false as const),
  };
}

/** The page of the API loads its own scripts and styles, and reads the document beside it. */
export const docsContentSecurityPolicy = {
  ...contentSecurityPolicy,
  'connect-src': "'self'",
  'font-src': "'self' data:",
  'img-src': "'self' data:",
  'script-src': "'self'",
  'style-src': "'self' 'unsafe-inline'",
};

/** For answers that are made before the hooks of the server run. */
export const bareHeaders: Record<string, string> = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
  'content-security-policy': Object.entries(contentSecurityPolicy)
    .map(([name, value]) => `${name} ${value}`)
    .join('; '),
};

function listed(policy: Record<string, string>): Record<string, string[]> {
  return Object.fromEntries(Object.entries(policy).map(([name, value]) => [name, [value]]));
}
