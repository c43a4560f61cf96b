"""The paths of the gateway and of its control plane, a module for each topic."""
