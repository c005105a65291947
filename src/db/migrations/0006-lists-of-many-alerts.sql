-- Lists of 100,000 active alerts within milliseconds, whatever they are sorted by.
-- None of these columns changes when an alert is merely repeated, so repeats are
-- still updated in place.

-- sort=severity and sort=updatedAt: without an index every row was sorted for each
-- page (150 to 200 ms).
CREATE INDEX alerts_active_severity_id_idx ON alerts_active (severity, id);
CREATE INDEX alerts_active_updated_at_id_idx ON alerts_active (updated_at, id);

-- assignedTo: few alerts have somebody in charge, and all rows were looked at (100 ms).
CREATE INDEX alerts_active_assigned_to_idx ON alerts_active (assigned_to, created_at) WHERE assigned_to IS NOT NULL;
