"""The report: one page of HTML that needs nothing outside it. What is in it, how its data lies there, its templates."""
