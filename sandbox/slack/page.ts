import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';

/** One self-contained page: the parts are read once and put together, nothing is loaded from elsewhere. */
let parts: { html: string; css: string; script: string } | null = null;

export function renderPage(nonce: string): string {
  parts ??= {
    html: read('page.html'),
    css: read('style.css'),
    // The reading of mrkdwn and dates is typed and tested; the browser gets it without its types.
    script: [...['mrkdwn.ts', 'dates.ts'].map((name) => stripTypeScriptTypes(read(name))), read('blocks.js'), read('app.js')].join('\n'),
  };
  const { html, css, script } = parts;
  return html
    .replace('/*STYLE*/', () => css)
    .replace('/*SCRIPT*/', () => script)
    .replaceAll('NONCE', nonce);
}

function read(name: string): string {
  return readFileSync(new URL(`./page/${name}`, import.meta.url), 'utf8');
}
