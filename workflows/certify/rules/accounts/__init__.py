"""Rules about accounts, secrets and generalisation (the reference's table 2.4)."""
