-- once
-- Points that came before anything counted them. What is counted twice makes a block anew once more, and that is all.
INSERT INTO lambda_kept_cause_arrivals
${throttle_arrivals}
SETTINGS async_insert = 0, max_partitions_per_insert_block = 0;

INSERT INTO lambda_kept_cause_arrivals
${stream_arrivals}
SETTINGS async_insert = 0, max_partitions_per_insert_block = 0;
