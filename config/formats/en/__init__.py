"""The formats of the language the installation speaks, by the names Django reads."""
