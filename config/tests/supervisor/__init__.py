"""`make run`: the supervisor and its template."""
