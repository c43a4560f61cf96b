"""In which order the tests of a run begin."""
