"""The benchmarks: what the system does in a second, beside what the machine could do at most.

    python -m bench --row bulk --row unary

Each row measures ours and its reference in one run, alternating, on a mesh of its own with durable
settings, so that the ratio means the same on any machine. `bench/README.md` has the figures.
"""
