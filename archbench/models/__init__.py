"""Addresses of models, their builders and their inputs."""
