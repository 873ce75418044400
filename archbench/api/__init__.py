"""One public verb a file; archbench exports them all."""
