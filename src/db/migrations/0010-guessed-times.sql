-- Whether the end of an alert was said by its source or is our guess: a guess
-- shortens no end that was said. NULL, as the version before this one leaves it: said.
ALTER TABLE alerts_active ADD COLUMN expiry_guessed boolean;
ALTER TABLE alerts_archive ADD COLUMN expiry_guessed boolean;

-- A start that no report named was the time of receipt until now, which swallowed
-- the resolve of a sender whose clock is behind ours. 1970 means that none is known.
UPDATE alerts_active SET latest_starts_at = 'epoch'
WHERE status IN ('firing', 'acknowledged', 'escalated')
  AND (latest_starts_at IN (created_at, received_at) OR latest_starts_at > now() + interval '1 minute');
