"""The demo: a whole campaign on a mesh of its own, held against an independent sum."""
