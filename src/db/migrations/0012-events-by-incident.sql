-- What the provider's events told of one of our incidents: asked for whenever the
-- outcome of its opening is not known.
CREATE INDEX inbound_events_incident_idx ON inbound_events ((payload->>'incidentId'), received_at)
  WHERE payload->>'incidentId' IS NOT NULL;
