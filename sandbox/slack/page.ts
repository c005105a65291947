import { readFileSync } from 'node:fs';

const scripts = ['mrkdwn.js', 'dates.js', 'blocks.js', 'app.js'];

/** Read once, on first use. */
let parts: { html: string; css: string; script: string } | null = null;

/** One self-contained page: its parts are put together, nothing is loaded from elsewhere. */
export function renderPage(nonce: string): string {
  parts ??= { html: read('page.html'), css: read('style.css'), script: scripts.map(read).join('\n') };
  const { html, css, script } = parts;
  // Functions as replacements: a plain string would have its $ signs read as patterns.
  return html
    .replaceAll('NONCE', nonce)
    .replace('/*STYLE*/', () => css)
    .replace('/*SCRIPT*/', () => script);
}

function read(name: string): string {
  return readFileSync(new URL(`./page/${name}`, import.meta.url), 'utf8');
}
