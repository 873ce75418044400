"""The report as one self-contained HTML page: its contents, their form as JSON, its templates, style and scripts."""
