"""The simulated content service: signed bundle manifests, their bytes, and what cars report of themselves."""
