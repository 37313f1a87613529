"""Raw captures of the Lytro Illum: files, calibration by white pictures, decoding, and their simulation."""
