import type { SandboxObject } from './object-store.ts';
import { badRequest, type Status, status } from './status.ts';

export type ContainerLog = { current?: string; previous?: string };

type Container = { name: string };

/** The end of a container's log as the kubelet cuts it: the last lines first, then as many bytes from their beginning. */
export function readLog(
  pod: SandboxObject,
  logs: ReadonlyMap<string, ContainerLog>,
  query: URLSearchParams,
): string | Status {
  const { name } = pod.metadata;
  const spec = (pod['spec'] ?? {}) as { containers?: Container[]; initContainers?: Container[] };
  const containers = [...(spec.initContainers ?? []), ...(spec.containers ?? [])].map((one) => one.name);
  const asked = query.get('container') ?? '';
  if (asked === '' && containers.length !== 1)
    return badRequest(
      `a container name must be specified for pod ${name}, choose one of: [${containers.join(' ')}]`,
    );
  const container = asked === '' ? (containers[0] ?? '') : asked;
  if (!containers.includes(container))
    return badRequest(`container ${container} is not valid for pod ${name}`);
  for (const parameter of ['tailLines', 'limitBytes', 'sinceSeconds']) {
    const text = query.get(parameter);
    if (text !== null && !/^\d+$/.test(text))
      return status(422, 'Invalid', `PodLogOptions "${name}" is invalid: ${parameter}: Invalid value`);
  }
  const log = logs.get(`${pod.metadata.namespace ?? ''}/${name}/${container}`) ?? {};
  const isPrevious = query.get('previous') === 'true';
  const text = isPrevious ? log.previous : log.current;
  if (text === undefined)
    return badRequest(
      isPrevious
        ? `previous terminated container "${container}" in pod "${name}" not found`
        : `container "${container}" in pod "${name}" is waiting to start: ContainerCreating`,
    );
  const lines = text.split(/(?<=\n)/);
  const tail = query.get('tailLines');
  const limit = query.get('limitBytes');
  const cut = (tail === null ? lines : lines.slice(-Number(tail) || lines.length)).join('');
  return limit === null ? cut : Buffer.from(cut).subarray(0, Number(limit)).toString('utf8');
}
