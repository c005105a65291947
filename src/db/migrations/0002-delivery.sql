-- Messages that are about no alert, lines in a message's thread, and channels that
-- cannot be posted to.

-- A notice ("this channel is gone") is about no alert.
ALTER TABLE notifications ALTER COLUMN alert_id DROP NOT NULL;
ALTER TABLE notifications
  -- What a notice or a line says; a card is made from its alert when it is sent.
  ADD COLUMN content jsonb,
  -- Where it was really posted, when that was not `channel`: its stand-in.
  ADD COLUMN sent_to text,
  -- The message in whose thread a line belongs.
  ADD COLUMN parent_id uuid,
  -- Not worth sending later than this.
  ADD COLUMN expires_at timestamptz;

-- Something else has said it: too old, or told in the same place already.
ALTER TABLE notifications DROP CONSTRAINT notifications_state_check;
ALTER TABLE notifications ADD CONSTRAINT notifications_state_check
  CHECK (state IN ('due', 'sending', 'sent', 'unknown', 'failed', 'superseded'));

-- The claim asks for the first of each (lane, priority); with the id the order within one moment is in the index, too.
CREATE INDEX notifications_claim_idx ON notifications (lane, priority, due_at, id) WHERE state = 'due';
DROP INDEX notifications_due_idx;
CREATE INDEX notifications_expires_idx ON notifications (expires_at) WHERE state = 'due' AND expires_at IS NOT NULL;
CREATE INDEX notifications_parent_idx ON notifications (parent_id) WHERE parent_id IS NOT NULL;

-- What is known of the channels; one that was never in trouble has no row.
CREATE TABLE channels (
  notifier   text NOT NULL,
  -- As configured: '#alert-critical'.
  channel    text NOT NULL,
  -- recovering: said to be usable again, and no message has proved it yet.
  state      text NOT NULL CHECK (state IN ('ok', 'dead', 'recovering')),
  -- The vendor's id of the channel, where it is known.
  channel_id text,
  -- The vendor's reason, and what to do about it.
  code       text NOT NULL,
  detail     text NOT NULL,
  since      timestamptz NOT NULL,
  -- When it was last looked at; null: look now.
  checked_at timestamptz,
  -- Looking could not tell: the next message may try the channel itself.
  trial      boolean NOT NULL DEFAULT false,
  -- Counts the outages; people are told of each once.
  outage     integer NOT NULL DEFAULT 1,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (notifier, channel)
);
