"""The pages of the browser, a module for each noun."""
