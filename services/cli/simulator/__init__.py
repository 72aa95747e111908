"""The partners' side: seven companies' platforms, as this system meets them.

Used by the demo, the tests and the benchmarks. It shares no code with what it tests: it
signs, counts and adds up by itself, and speaks to the services only over the wire.
"""
