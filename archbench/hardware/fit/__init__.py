"""What fits to published rates found: coefficients of devices, and how far predictions were off."""
