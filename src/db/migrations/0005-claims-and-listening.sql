-- Who holds a claim, by the name under which the process holds its lock of presence:
-- what a process that is gone had claimed need not wait until the claim is old.
ALTER TABLE notifications ADD COLUMN claimed_by text;
ALTER TABLE incidents ADD COLUMN sync_claimed_by text;

-- When somebody of us last listened to sources, by the clock of the database. What
-- was not heard while nobody listened has not ended for that.
CREATE TABLE listening (
  id      boolean PRIMARY KEY DEFAULT true CHECK (id),
  last_at timestamptz NOT NULL
);
