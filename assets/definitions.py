"""What `workspace.yaml` loads: the location of the deployment that the environment names."""

from assets.location import build_definitions

defs = build_definitions()
