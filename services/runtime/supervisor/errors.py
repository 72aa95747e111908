"""The one error of the supervisor."""


class MeshError(Exception):
    """The local mesh, or a part of it, cannot run. The message says why and what to do."""
