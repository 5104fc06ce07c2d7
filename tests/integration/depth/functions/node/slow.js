const until = Date.now() + 200;
while (Date.now() < until);
