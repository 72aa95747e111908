"""Watersmeet (融汇) for partners: the contract's messages and stubs, and a small client.

`from watersmeet.client import connect` is where to begin; README.md has an example.
"""

__version__ = "0.1.0"
