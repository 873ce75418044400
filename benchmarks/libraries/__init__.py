"""The models that benchmarks/agreement.py counts, a file for each library."""
