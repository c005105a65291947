/** What a call is answered; `took` and `requestId` are added to the body on the way out. */
export type Answer = {
  status: number;
  body: Record<string, unknown>;
  headers?: Record<string, string>;
  requestId?: string;
};

/** A call as a route sees it: authenticated, its body parsed. */
export type ApiCall = { query: URLSearchParams; body: Record<string, unknown>; params: string[] };

/** `path` matches the whole, still encoded, path; its groups become `params`, decoded. */
export type Route = { method: string; path: RegExp; answer: (call: ApiCall) => Answer };

export function notFound(message: string): Answer {
  return { status: 404, body: { message } };
}

/** Unusable content: 422 with the fields and what is wrong with each. */
export function unprocessable(errors: Record<string, string>): Answer {
  return {
    status: 422,
    body: { message: 'Request body is not processable. Please check the errors.', errors },
  };
}
