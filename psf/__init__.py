"""Point spread functions from photographs of disks."""
