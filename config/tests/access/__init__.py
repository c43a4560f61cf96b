"""Who may ask what: one table for every page, API row, socket and task, held against real requests of two teams."""
