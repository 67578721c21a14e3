-- Only sets with workers are matched with demands: an assignment looks at every set that meets its demand.
DELETE FROM demand_sets WHERE set_no IN (SELECT set_no FROM capability_sets WHERE workers = 0);
DELETE FROM capability_sets WHERE NOT EXISTS (SELECT 1 FROM agents WHERE agents.set_no = capability_sets.set_no);
-- What a demand without capabilities, which every set meets, is matched with.
CREATE INDEX capability_sets_working ON capability_sets (set_no) WHERE workers > 0;
