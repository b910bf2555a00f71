"""Rules about agents and provisioning (the reference's table 2.3)."""
