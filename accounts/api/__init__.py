"""The REST API of every floor: its tokens, refusals, fields, filters and pages of rows."""
