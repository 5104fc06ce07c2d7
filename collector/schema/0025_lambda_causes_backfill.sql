-- once
-- Points that came before anything counted them. What is counted twice makes a day anew once more, and that is all.
INSERT INTO lambda_cause_arrivals
${arrivals_of_points}
SETTINGS async_insert = 0;
