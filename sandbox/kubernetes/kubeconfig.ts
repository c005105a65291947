import type { HttpDoor } from './http.ts';

/** As a file for kubectl and its like; JSON is YAML. */
export function kubeconfig(door: HttpDoor, token: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'sandbox',
        cluster: {
          server: door.url,
          ...(door.caPem !== null && {
            'certificate-authority-data': Buffer.from(door.caPem).toString('base64'),
          }),
        },
      },
    ],
    users: [{ name: 'sandbox', user: { token } }],
    contexts: [{ name: 'sandbox', context: { cluster: 'sandbox', user: 'sandbox' } }],
    'current-context': 'sandbox',
  });
}
