import { type OpsgenieState, type SandboxAlert, idOfName } from './state.ts';

/** One alert action, as the Webhook integration is told about it. */
export type WebhookEvent = {
  action: string;
  alert: SandboxAlert;
  username: string;
  /** How it was done: `web`, `API`, or `incident` for an incident's own alerts. */
  sourceType: string;
  /** Fields only this action has (`note`, `owner`, `oldPriority` …). */
  extra?: Record<string, unknown>;
};

export type WebhookDelivery = { action: string; alertId: string; body: string; status: number | null };

export type WebhookTarget = {
  url: string;
  headers: Record<string, string>;
  withDetails: boolean;
  asForm: boolean;
};

/** Seen in the wild: JSON under the content type of a form. */
const contentTypes = { json: 'application/json', form: 'application/x-www-form-urlencoded' };

const deliveryTimeoutMs = 10_000;
const keptDeliveries = 1000;

/** The account's one Webhook integration. It signs nothing, retries nothing and keeps no order. */
export class WebhookSender {
  readonly deliveries: WebhookDelivery[] = [];
  readonly #state: OpsgenieState;
  readonly #underWay = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  #target: WebhookTarget | null = null;
  #sequence = 0;

  constructor(state: OpsgenieState) {
    this.#state = state;
  }

  deliverTo(target: WebhookTarget | null): void {
    this.#target = target;
  }

  send(event: WebhookEvent): void {
    const target = this.#target;
    if (target === null) return;
    this.#sequence = (this.#sequence + 1) % 1_000_000;
    const updatedAtNs = BigInt(event.alert.updatedAtMs) * 1_000_000n + BigInt(this.#sequence);
    const body = webhookBody(event, updatedAtNs, target.withDetails);
    const delivery: WebhookDelivery = { action: event.action, alertId: event.alert.id, body, status: null };
    this.deliveries.push(delivery);
    if (this.deliveries.length > keptDeliveries) this.deliveries.shift();
    const sending = this.#post(target, delivery).finally(() => {
      this.#underWay.delete(sending);
      this.#state.changed();
    });
    this.#underWay.add(sending);
  }

  /** Until every delivery has been answered or given up. */
  async drain(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.drain();
  }

  async #post(target: WebhookTarget, delivery: WebhookDelivery): Promise<void> {
    try {
      const response = await fetch(target.url, {
        method: 'POST',
        headers: {
          'content-type': target.asForm ? contentTypes.form : contentTypes.json,
          ...target.headers,
        },
        body: delivery.body,
        signal: AbortSignal.any([this.#stop.signal, AbortSignal.timeout(deliveryTimeoutMs)]),
      });
      delivery.status = response.status;
      await response.body?.cancel();
    } catch {
      // As the vendor: an undelivered webhook is lost; `status` stays null.
    }
  }
}

/** JSON numbers of 19 digits cannot be written from a double: the digits are put in as text. */
export function webhookBody(event: WebhookEvent, updatedAtNs: bigint, withDetails: boolean): string {
  const body = event.action === 'Escalate' ? escalateBody(event) : alertBody(event, withDetails);
  return JSON.stringify(body).replace('"updatedAt":"@ns"', `"updatedAt":${updatedAtNs.toString()}`);
}

function alertBody(
  { action, alert, username, sourceType, extra = {} }: WebhookEvent,
  withDetails: boolean,
): unknown {
  const teams = alert.responders.filter(({ type }) => type === 'team');
  return {
    action,
    alert: {
      alertId: alert.id,
      message: alert.message,
      ...(action !== 'Delete' && { tags: alert.tags }),
      tinyId: alert.tinyId,
      entity: alert.entity,
      alias: alert.alias,
      createdAt: alert.createdAtMs,
      updatedAt: '@ns',
      username,
      ...(username !== 'System' && { userId: idOfName(username) }),
      ...extra,
      ...(withDetails && { description: alert.description.slice(0, 1000) }),
      ...(action === 'Create' && teams[0] && { team: teams[0].name }),
      responders: alert.responders,
      teams: teams.map(({ id }) => id),
      actions: alert.actions,
      ...(withDetails && { details: cutDetails(alert.details) }),
      priority: alert.priority,
      ...(action !== 'Create' && !('oldPriority' in extra) && { oldPriority: alert.priority }),
      source: alert.source,
    },
    source: { name: '', type: sourceType },
    ...integration,
  };
}

/** Has a shape of its own: nothing of the alert but its id, and no `source`. */
function escalateBody({ alert, extra }: WebhookEvent): unknown {
  const escalation = extra?.['escalation'];
  const name = typeof escalation === 'string' ? escalation : 'default escalation';
  const user = 'on-call@example.com';
  return {
    escalationId: idOfName(name),
    integrationName: integration.integrationName,
    escalationNotify: { name: user, id: idOfName(user), type: 'default', entity: 'user' },
    integrationId: integration.integrationId,
    escalationName: name,
    alert: { alertId: alert.id },
    escalationTime: 0,
    action: 'Escalate',
    repeatCount: 0,
  };
}

const integration = {
  integrationName: 'GoMon',
  integrationId: idOfName('webhook integration'),
  integrationType: 'Webhook',
};

/** The vendor cuts each to 1,000 characters. */
function cutDetails(details: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(details).map(([key, value]) => [key, value.slice(0, 1000)]));
}
