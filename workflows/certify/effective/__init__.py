"""What the system in an image would do: one view a module, from the snapshot to values. Pure."""
