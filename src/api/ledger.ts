import type { FastifyPluginCallbackZod } from 'fastify-type-provider-zod';
import { readAccounts } from '../history/account-queries.ts';
import { spanOf } from '../history/accounts.ts';
import { requireRight } from './auth.ts';
import { ProblemAnswer } from './contract/common.ts';
import { Ledger, LedgerQuery } from './contract/ledger.ts';
import { badRequest } from './problem.ts';
import type { ApiServices } from './services.ts';

/** `GET /api/v1/ledger`: what became of everything that was accepted. */
export function ledgerRoute(services: ApiServices): FastifyPluginCallbackZod {
  return (app, _options, done) => {
    app.get(
      '/api/v1/ledger',
      {
        schema: {
          tags: ['ledger'],
          summary: 'The accounts of what was accepted',
          description: 'accepted = delivered + suppressed + pending + failed; `holds` says whether it is so.',
          querystring: LedgerQuery,
          response: { 200: Ledger, default: ProblemAnswer },
        },
      },
      async (request) => {
        requireRight(await services.authenticate(request), 'read');
        const now = services.clock.now();
        const { from, to } = request.query;
        const span = spanOf(
          {
            from: from === undefined ? undefined : new Date(from),
            to: to === undefined ? undefined : new Date(to),
          },
          now,
        );
        if (!span.ok) throw badRequest(`${span.reason}.`);
        const { deliveriesKeptDays } = services;
        const accounts = await readAccounts(services.db, span, { deliveriesKeptDays, now });
        return { ...accounts, from: accounts.from.toISOString(), to: accounts.to.toISOString() };
      },
    );
    done();
  };
}
