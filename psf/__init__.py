"""Point spread functions measured on photographs of disks, and models to compare them with."""
