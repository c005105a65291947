import { type OpsgenieState, type SandboxAlert, type SandboxIncident, iso } from './state.ts';
import type { WebhookDelivery } from './webhooks.ts';

/** The page people click in. Everything that came from outside is escaped. */
export function page(
  state: OpsgenieState,
  deliveries: readonly WebhookDelivery[],
  only: string | null,
  nonce: string,
): string {
  const incidents = [...state.incidents.values()]
    .toReversed()
    .filter(({ id }) => only === null || id === only);
  const alerts = [...state.alerts.values()].toReversed().filter(({ id }) => only === null || id === only);
  const lastWebhooks = deliveries.slice(-8).toReversed();
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Opsgenie sandbox</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style nonce="${nonce}">${style}</style></head><body>
<header><h1><a href="/">Opsgenie sandbox</a></h1><span>nothing here pages anybody</span></header>
<main>
${only !== null && incidents.length + alerts.length === 0 ? '<p class="none">There is nothing with this id.</p>' : ''}
${incidents.length > 0 ? `<h2>Incidents</h2>${incidents.map(incidentCard).join('')}` : ''}
${alerts.length > 0 ? `<h2>Alerts</h2>${alerts.map(alertCard).join('')}` : ''}
${only === null && incidents.length + alerts.length === 0 ? '<p class="none">Nothing has been opened yet.</p>' : ''}
${only === null && lastWebhooks.length > 0 ? `<h2>Last webhooks</h2><ul class="log">${lastWebhooks.map(webhookLine).join('')}</ul>` : ''}
</main><script nonce="${nonce}">${script}</script></body></html>`;
}

function alertCard(alert: SandboxAlert): string {
  const state = alert.status === 'closed' ? 'closed' : alert.acknowledged ? 'acknowledged' : 'open';
  const acting = alert.status === 'open';
  return card(
    alert,
    `/alert/detail/${alert.id}/details`,
    state,
    [
      ['Alias', alert.alias],
      ['Owner', alert.owner || '–'],
      ['Source', alert.source],
      ['Count', String(alert.count)],
    ],
    [
      ...(acting && !alert.acknowledged ? [button(alert.id, 'acknowledge', 'Acknowledge')] : []),
      ...(acting
        ? [button(alert.id, 'close', 'Close'), field(alert.id, 'assign', 'Assign', 'ada@example.com')]
        : []),
      field(alert.id, 'note', 'Add note', 'Looking into it'),
      ...(acting ? [priorityForm(alert)] : []),
    ],
  );
}

function incidentCard(incident: SandboxIncident): string {
  const acting = incident.status === 'open';
  return card(
    incident,
    `/incident/detail/${incident.id}`,
    incident.status,
    [
      ['Services', incident.impactedServices.join(', ') || '–'],
      ['Tags', incident.tags.join(', ') || '–'],
    ],
    [
      ...(acting ? [button(incident.id, 'resolve', 'Resolve')] : []),
      ...(incident.status === 'closed' ? [] : [button(incident.id, 'close', 'Close')]),
      field(incident.id, 'note', 'Add note', 'Looking into it'),
      ...(acting ? [priorityForm(incident)] : []),
    ],
  );
}

function card(
  item: SandboxAlert | SandboxIncident,
  href: string,
  state: string,
  facts: [string, string][],
  forms: string[],
): string {
  const responders = item.responders.map(({ type, name }) => `${type} ${name}`).join(', ') || '–';
  const details = Object.entries(item.details);
  return `<article class="${escape(state)}" id="${escape(item.id)}">
<h3><b class="priority">${escape(item.priority)}</b> <a href="${escape(href)}">${escape(item.message)}</a> <i>${escape(state)}</i></h3>
<dl>${[...facts, ['Responders', responders], ['Created', iso(item.createdAtMs)]].map(([name, value]) => `<dt>${escape(name ?? '')}</dt><dd>${escape(value ?? '')}</dd>`).join('')}</dl>
${item.description ? `<details><summary>Description</summary><pre>${escape(item.description)}</pre></details>` : ''}
${details.length > 0 ? `<details><summary>Details (${details.length})</summary><dl>${details.map(([key, value]) => `<dt>${escape(key)}</dt><dd>${escape(value)}</dd>`).join('')}</dl></details>` : ''}
${item.notes.length > 0 ? `<ul class="notes">${item.notes.map(({ note, owner }) => `<li><b>${escape(owner)}</b> ${escape(note)}</li>`).join('')}</ul>` : ''}
<div class="forms">${forms.join('')}</div>
<details><summary>Log (${item.log.length})</summary><ul class="log">${item.log
    .slice(-50)
    .map(
      ({ log, owner, createdAt }) =>
        `<li><time>${escape(createdAt)}</time> ${escape(owner)}: ${escape(log)}</li>`,
    )
    .join('')}</ul></details>
</article>`;
}

function webhookLine({ action, alertId, status }: WebhookDelivery): string {
  return `<li>${escape(action)} of ${escape(alertId)} → ${status === null ? 'no answer' : String(status)}</li>`;
}

function form(id: string, action: string, inside: string): string {
  return `<form method="post" action="/act"><input type="hidden" name="id" value="${escape(id)}"><input type="hidden" name="action" value="${escape(action)}">${inside}</form>`;
}

function button(id: string, action: string, label: string): string {
  return form(id, action, `<button>${escape(label)}</button>`);
}

function field(id: string, action: string, label: string, hint: string): string {
  return form(
    id,
    action,
    `<input name="text" required placeholder="${escape(hint)}" aria-label="${escape(label)}"><button>${escape(label)}</button>`,
  );
}

function priorityForm(item: SandboxAlert | SandboxIncident): string {
  const options = ['P1', 'P2', 'P3', 'P4', 'P5'].map(
    (priority) => `<option${priority === item.priority ? ' selected' : ''}>${priority}</option>`,
  );
  return form(
    item.id,
    'priority',
    `<select name="text" aria-label="Priority">${options.join('')}</select><button>Set priority</button>`,
  );
}

function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

const style = `body{font:15px/1.45 system-ui,sans-serif;margin:0;background:#f4f5f7;color:#172b4d}
header{background:#172b4d;color:#fff;padding:.6rem 1.2rem;display:flex;gap:1rem;align-items:baseline}
header h1{font-size:1.1rem;margin:0}header a{color:inherit;text-decoration:none}header span{opacity:.7}
main{max-width:60rem;margin:0 auto;padding:0 1rem 3rem}h2{font-size:1rem;margin:1.4rem 0 .5rem}
article{background:#fff;border-left:5px solid #d04437;border-radius:4px;padding:.7rem 1rem;margin:.6rem 0;box-shadow:0 1px 2px #0002}
article.acknowledged{border-color:#f6c342}article.closed,article.resolved{border-color:#8eb021;opacity:.75}
h3{font-size:1rem;margin:0 0 .4rem;overflow-wrap:anywhere}h3 a{color:inherit}h3 i{font-weight:400;opacity:.7}
.priority{background:#172b4d;color:#fff;border-radius:3px;padding:0 .35rem}
dl{display:grid;grid-template-columns:8rem 1fr;margin:.3rem 0;gap:.1rem .6rem}dt{opacity:.65}dd{margin:0;overflow-wrap:anywhere}
pre{white-space:pre-wrap;overflow-wrap:anywhere}.forms{display:flex;flex-wrap:wrap;gap:.5rem;margin:.5rem 0}form{display:flex;gap:.25rem}
button,input,select{font:inherit;padding:.15rem .5rem}.log{font-size:.85rem;padding-left:1rem}.none{opacity:.7;margin-top:2rem}`;

/** Reloads now and then, but never under somebody's hands. */
const script = `setInterval(()=>{if(!document.hidden&&!document.activeElement?.matches('input,select')&&!document.querySelector('details[open]'))location.reload()},2000)`;
