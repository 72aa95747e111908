"""The files of an archive (docs/verify.md)."""

FORM = "watersmeet archive 1"
"""The archive's form, in FACTS. Another form would get another number."""

FACTS = "archive.json"
ENTRIES = "entries.txt"
ACCOUNTS = "accounts.jsonl"
CHECKPOINTS = "checkpoints.jsonl"
KEYS = "keys.txt"
BEANCOUNT = "ledger.beancount"
SUMS = "SHA256SUMS"

SUMMED = (ACCOUNTS, FACTS, CHECKPOINTS, ENTRIES, KEYS, BEANCOUNT)
"""What SUMS has a line for, in its order."""

HASH_LINE = b"hash "
"""An entry in ENTRIES is its text, this and its hash in hexadecimal, and an empty line."""

MARK_BYTES = len(HASH_LINE) + 64
"""The hash's line without its end."""

END = b"\n\n"
"""What ends an entry in ENTRIES. No text of an entry holds it."""

KINDS = ("ASSET", "LIABILITY", "INCOME", "EXPENSE", "EQUITY")

MICROS_MAX = 2**63 - 1
