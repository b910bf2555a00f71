"""Rules about network and SSH (the reference's table 2.5)."""
