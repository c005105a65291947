-- Hearing the incident provider: what it last confirmed, whose event it sent, and
-- when an incident was last compared with it. Only additions: the version before
-- this one goes on beside it.

-- A person at the provider takes an acknowledgement back.
ALTER TYPE action_kind ADD VALUE IF NOT EXISTS 'unacknowledge';

ALTER TABLE incidents
  -- The state at the provider that both sides agreed on last. What it says is
  -- compared with this, never with ours: so an echo of our own call is no news.
  ADD COLUMN confirmed_state jsonb,
  -- The gravest severity of its alerts when a person chose a lower one for it:
  -- only something graver raises it again.
  ADD COLUMN overruled_severity alert_severity,
  ADD COLUMN compared_at timestamptz,
  -- The external id that the provider no longer knows: said once in the audit log.
  ADD COLUMN gone_external_id text,
  ADD COLUMN reopened_there_at timestamptz;
CREATE INDEX incidents_compare_idx ON incidents (connection_id, compared_at) WHERE external_id IS NOT NULL AND status IN ('open', 'assigned');

-- `superseded`: not said, because a person at the provider decided otherwise first.
ALTER TABLE incident_commands
  DROP CONSTRAINT IF EXISTS incident_commands_state_check,
  ADD CONSTRAINT incident_commands_state_check CHECK (state IN ('pending', 'accepted', 'confirmed', 'failed', 'unknown', 'superseded')),
  -- When it was last handed over: a thing opened then may still be missing in the vendor's search.
  ADD COLUMN submitted_at timestamptz,
  -- How often the vendor worked on it and it failed: other failures do not use up its tries.
  ADD COLUMN refusals integer NOT NULL DEFAULT 0;
CREATE INDEX incident_commands_next_at_idx ON incident_commands (next_at) WHERE state IN ('pending', 'accepted', 'unknown');

-- What an event is about, so that all that is not worked off yet of one thing is found at once.
ALTER TABLE inbound_events ADD COLUMN subject text;
CREATE INDEX inbound_events_waiting_idx ON inbound_events (kind, subject, received_at) WHERE subject IS NOT NULL;
