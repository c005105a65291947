/** What goes wrong, in the words of a kube-apiserver. */
export type Status = {
  kind: 'Status';
  apiVersion: 'v1';
  metadata: { continue?: string };
  status: 'Failure';
  message: string;
  reason: string;
  details?: Record<string, unknown>;
  code: number;
};

export function status(
  code: number,
  reason: string,
  message: string,
  details?: Record<string, unknown>,
): Status {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message,
    reason,
    ...(details !== undefined && { details }),
    code,
  };
}

export const unauthorized = status(401, 'Unauthorized', 'Unauthorized');

export function badRequest(message: string): Status {
  return status(400, 'BadRequest', message);
}

export function notAcceptable(message: string): Status {
  return status(406, 'NotAcceptable', message);
}

export function tooOld(asked: number, oldest: number): Status {
  return status(410, 'Expired', `too old resource version: ${asked} (${oldest})`);
}
