import { expect, it } from 'vitest';
import { selfSigned } from '../../../test/support/certificate.ts';
import { cleanUp, connectTo, quickTimes, startSandbox } from '../../../test/support/kube-reflector.ts';
import { IngressCertificates } from './ingress-certificates.ts';
import { createKubernetesWatch } from './kubernetes-watch.ts';

cleanUp();

const at = (year: number): Date => new Date(`${year}-01-01T00:00:00Z`);
const secret = (name: string, year: number) => ({
  kind: 'Secret',
  metadata: { name, namespace: 'monitoring' },
  type: 'kubernetes.io/tls',
  data: {
    'tls.crt': Buffer.from(
      selfSigned({ name: 'shop.example', validFrom: at(2020), validTo: at(year) }).cert,
    ).toString('base64'),
    'tls.key': 'bm9ib2R5IGxvb2tz',
  },
});
const ingress = (...secrets: string[]) => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'Ingress',
  metadata: { name: 'shop', namespace: 'monitoring' },
  spec: { tls: secrets.map((secretName) => ({ hosts: ['shop.example'], secretName })) },
});

it('reads the certificates that Ingresses name, anew when they change, and no other Secret', async () => {
  const sandbox = await startSandbox();
  sandbox.apply(secret('used', 2030));
  sandbox.apply(secret('unused', 2030));
  sandbox.apply(ingress('used', 'missing'));
  const connection = connectTo(sandbox);
  const watch = createKubernetesWatch({ connection, namespaces: ['monitoring'], times: quickTimes });
  const certificates = new IngressCertificates({ connection, view: watch.view, lookMs: 5 });
  const years = (): string =>
    certificates
      .facts()
      .map(({ namespace, name, chain }) => `${namespace}/${name} ${chain[0]?.notAfter.getUTCFullYear()}`)
      .join();
  const reads = (): number =>
    sandbox.requests().filter(({ verb, resource }) => verb === 'get' && resource === 'secrets').length;
  watch.start();
  certificates.start();
  try {
    await sandbox.waitFor(() => years() === 'monitoring/used 2030');
    await sandbox.waitFor(() => watch.view.freshness('secrets').state === 'streaming' && reads() >= 2);
    sandbox.apply(secret('used', 2031));
    await sandbox.waitFor(() => years() === 'monitoring/used 2031');
    // Once at first, perhaps once more when its metadata came, and once for the change; the missing one beside.
    expect(reads()).toBeLessThanOrEqual(4);
    sandbox.forbid({ resource: 'secrets', verb: 'get' });
    sandbox.apply(secret('used', 2032));
    await sandbox.waitFor(() => years() === '');
    sandbox.apply(ingress());
    await sandbox.waitFor(() => certificates.facts().length === 0);
  } finally {
    await certificates.stop();
    await watch.stop();
  }
});
