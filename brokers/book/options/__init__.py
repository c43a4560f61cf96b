"""Options on a share: which an account holds or works, and which contracts rules were found to mean."""
