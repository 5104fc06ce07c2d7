-- Views of earlier versions that others have taken the place of.
DROP VIEW IF EXISTS lambda_activity_raw;
DROP VIEW IF EXISTS lambda_rollup_cover;
