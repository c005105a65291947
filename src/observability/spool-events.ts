import type { SpoolEvent } from '../spool/spool.ts';
import type { Events } from './events.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';

/** What happens in the spool, as counter and log line. */
export function observeSpool(
  log: Log,
  metrics: Metrics,
  events: Pick<Events, 'deliveryCommitted'>,
): (event: SpoolEvent) => void {
  return (event) => {
    switch (event.kind) {
      case 'spooled': {
        const { deliveryId, request } = event;
        metrics.spooled.inc({ outcome: 'spooled' });
        log.warn({ deliveryId, source: request.source, alerts: request.entries.length }, 'request spooled');
        return;
      }
      case 'taken-in': {
        const { id: deliveryId, taken, request, result } = event;
        metrics.spooled.inc({ outcome: taken.outcome });
        if (request !== null && result !== null) events.deliveryCommitted({ request, result });
        if (taken.outcome === 'set-aside')
          log.error({ deliveryId, ...taken }, 'a spooled request cannot be stored; it was set aside');
        else log.info({ deliveryId, outcome: taken.outcome }, 'spooled request taken in');
        return;
      }
      case 'refused':
        metrics.spooled.inc({ outcome: event.reason });
        if (event.reason === 'full') log.error('the spool is full; urgent requests are refused with 503');
        else log.error({ err: event.error }, 'the spool cannot be written');
        return;
      case 'trouble':
        log.warn({ err: event.error }, 'taking in spooled requests stumbled');
        return;
      default:
        event satisfies never;
    }
  };
}
