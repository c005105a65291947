/** Fingerprint of the alert that says that a source is silent. */
export const missingHeartbeat = 'gomon-heartbeat-missing';
