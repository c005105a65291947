/** A Kubernetes object as the API sends it, raw JSON: only what every object has is typed. */
export type KubeObject = {
  apiVersion?: string;
  kind?: string;
  metadata: {
    name: string;
    namespace?: string;
    uid: string;
    resourceVersion?: string;
    generation?: number;
    creationTimestamp?: string;
    deletionTimestamp?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    ownerReferences?: { kind: string; name: string; uid: string; controller?: boolean }[];
    finalizers?: string[];
  };
  spec?: Record<string, unknown>;
  status?: Record<string, unknown>;
  [field: string]: unknown;
};

/** Plural resource names as in URLs, with the group where it is not core: "pods", "deployments.apps", "leases.coordination.k8s.io", "pods.metrics.k8s.io". */
export type Resource = string;

export type Freshness = {
  state: 'listing' | 'streaming' | 'backoff' | 'forbidden' | 'absent' | 'stopped';
  heardAt: Date | null;
  detail?: string;
};

/** What is known of the cluster now; answers from memory. */
export interface ClusterView {
  list(resource: Resource, namespace?: string): readonly KubeObject[];
  get(resource: Resource, namespace: string | null, name: string): KubeObject | undefined;
  freshness(resource: Resource): Freshness;
  /** Difference of the API server's clock to ours, ms. */
  readonly serverSkewMs: number;
}

export type ClusterChange = {
  resource: Resource;
  type: 'added' | 'modified' | 'deleted';
  object: KubeObject;
  old?: KubeObject;
};
