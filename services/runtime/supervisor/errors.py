"""The one error of the supervisor, and of who looks for a mesh."""


class MeshError(Exception):
    """A mesh, or a part of it, cannot run or be found. The message says why and what to do."""
