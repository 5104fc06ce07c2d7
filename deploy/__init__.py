"""How Lambdascope is set up, run and attached."""
