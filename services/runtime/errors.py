"""The one error that crosses rooms, and its stable reasons.

Plain Python, so that domains may raise it.
"""

from enum import StrEnum


class Reason(StrEnum):
    """The values of `watersmeet.errors.v1.ErrorReason`, without their prefix.

    The proto documents each of them; a test holds the two lists equal.
    """

    IDENTITY_UNKNOWN = "IDENTITY_UNKNOWN"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    PARTNER_MISMATCH = "PARTNER_MISMATCH"
    REQUEST_ID_INVALID = "REQUEST_ID_INVALID"
    FIELD_REQUIRED = "FIELD_REQUIRED"
    FIELD_INVALID = "FIELD_INVALID"
    PAGE_TOKEN_INVALID = "PAGE_TOKEN_INVALID"
    MESSAGE_TOO_LARGE = "MESSAGE_TOO_LARGE"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    AMOUNT_NOT_POSITIVE = "AMOUNT_NOT_POSITIVE"
    AMOUNT_OVER_LIMIT = "AMOUNT_OVER_LIMIT"
    CURRENCY_UNKNOWN = "CURRENCY_UNKNOWN"
    CURRENCY_MISMATCH = "CURRENCY_MISMATCH"
    EVENT_TIME_IN_FUTURE = "EVENT_TIME_IN_FUTURE"
    BATCH_COLUMNS_UNEQUAL = "BATCH_COLUMNS_UNEQUAL"
    BATCH_SIZE_INVALID = "BATCH_SIZE_INVALID"
    CONTROL_TOTALS_MISMATCH = "CONTROL_TOTALS_MISMATCH"
    STREAM_OFFSET_GAP = "STREAM_OFFSET_GAP"
    STREAM_NOT_OPENED = "STREAM_NOT_OPENED"
    DONATION_CONFLICT = "DONATION_CONFLICT"
    REFUND_CONFLICT = "REFUND_CONFLICT"
    DONATION_NOT_FOUND = "DONATION_NOT_FOUND"
    PLATFORM_UNKNOWN = "PLATFORM_UNKNOWN"
    NOTIFICATION_MALFORMED = "NOTIFICATION_MALFORMED"
    SIGNATURE_INVALID = "SIGNATURE_INVALID"
    TIMESTAMP_STALE = "TIMESTAMP_STALE"
    RECIPIENT_MISMATCH = "RECIPIENT_MISMATCH"
    NOTICE_NOT_FOUND = "NOTICE_NOT_FOUND"
    CHARITY_NOT_FOUND = "CHARITY_NOT_FOUND"
    PROJECT_NOT_FOUND = "PROJECT_NOT_FOUND"
    CAMPAIGN_NOT_FOUND = "CAMPAIGN_NOT_FOUND"
    CODE_TAKEN = "CODE_TAKEN"
    CERTIFICATE_CONFLICT = "CERTIFICATE_CONFLICT"
    PROJECT_CLOSED = "PROJECT_CLOSED"
    ACCOUNT_NOT_FOUND = "ACCOUNT_NOT_FOUND"
    ACCOUNT_CONFLICT = "ACCOUNT_CONFLICT"
    ACCOUNT_NOT_IN_CHART = "ACCOUNT_NOT_IN_CHART"
    ENTRY_NOT_FOUND = "ENTRY_NOT_FOUND"
    ENTRY_CONFLICT = "ENTRY_CONFLICT"
    SEQUENCE_AHEAD = "SEQUENCE_AHEAD"
    BALANCE_OVERFLOW = "BALANCE_OVERFLOW"
    LEDGER_STANDBY = "LEDGER_STANDBY"
    QUEUE_FULL = "QUEUE_FULL"
    DEPENDENCY_UNAVAILABLE = "DEPENDENCY_UNAVAILABLE"
    TOTALS_NOT_READY = "TOTALS_NOT_READY"
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
    INTERNAL = "INTERNAL"
    SHUTTING_DOWN = "SHUTTING_DOWN"
    RATE_LIMITED = "RATE_LIMITED"
    DONOR_NOT_FOUND = "DONOR_NOT_FOUND"
    DONOR_ERASED = "DONOR_ERASED"
    DONOR_CONFLICT = "DONOR_CONFLICT"
    DONOR_KEY_MISSING = "DONOR_KEY_MISSING"
    PLEDGE_NOT_FOUND = "PLEDGE_NOT_FOUND"
    PLEDGE_NOT_IN_FORCE = "PLEDGE_NOT_IN_FORCE"
    PLEDGE_CONFLICT = "PLEDGE_CONFLICT"
    ORDER_CONFLICT = "ORDER_CONFLICT"
    ORDER_NOT_FOUND = "ORDER_NOT_FOUND"
    CHECKPOINT_NOT_FOUND = "CHECKPOINT_NOT_FOUND"
    ENTRY_NOT_IN_LOG = "ENTRY_NOT_IN_LOG"


class Fault(Exception):
    """A call, or one item of it, that cannot be done, said so that its caller can act on it.

    message: what is wrong and what to do, in a sentence or two, without personal data or secrets.
    retry_after: seconds after which a retry makes sense, for throttling; None otherwise.
    metadata: facts under the keys that the reason documents; values are strings.
    """

    def __init__(
        self, reason: Reason, message: str, *, retry_after: float | None = None, **metadata: str
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.retry_after = retry_after
        self.metadata = metadata

    def __repr__(self) -> str:
        return f"Fault({self.reason}, {self.message!r})"
