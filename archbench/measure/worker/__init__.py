"""A worker process that builds one model and answers requests, and its client."""
