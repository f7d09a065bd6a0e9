"""Puts the sidecar into pods: the admission webhook, and the same for manifests offline."""
