-- Since when an open alert of which nothing more is heard is called stale: its
-- resolve may never come. NULL, as the version before this one leaves it: it is not.
ALTER TABLE alerts_active ADD COLUMN stale_at timestamptz;
ALTER TABLE alerts_archive ADD COLUMN stale_at timestamptz;

-- When the last gap ended in which nobody listened: silence is counted from there.
ALTER TABLE listening ADD COLUMN since timestamptz;
