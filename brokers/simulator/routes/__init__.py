"""The paths of the Web API, a module for each topic."""
