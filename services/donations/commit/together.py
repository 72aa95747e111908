"""What comes in one call is submitted together: a submission has its price, however small it is."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress

import structlog

from services.donations.commit.committer import Committer
from services.donations.commit.submission import Committed, Submission
from services.runtime.database import fault_of
from services.runtime.errors import Fault

_log = structlog.get_logger()

# As many as have their links looked up at once (group.SMALL_ROWS), and far below what one batch may
# sum up to and how many lines it may have.
_REPORTS_MAX = 256

_Fate = Committed | Exception


class Together:
    """Submissions of gifts one by one, refunds and disputes; of nothing else.

    They share what they need to become durable and nothing more: where one of them cannot be
    recorded for a defect, or all do not fit into the queue, each goes by itself.
    """

    def __init__(self, committer: Committer, submissions: Sequence[Submission]) -> None:
        """Submits them."""
        self._committer = committer
        has_company = len(submissions) > 1
        self._shares = [
            (share, _submit(committer, _joined(share), has_company=has_company))
            for share in _shares(submissions)
        ]

    async def fates(self) -> list[_Fate]:
        """For each of them, in their order, what `Committer.commit` would return or raise."""
        await _wait([done for _, done in self._shares])
        fates: list[_Fate] = []
        for share, done in self._shares:
            fate = _fate_of(done)
            if isinstance(fate, Committed):
                fates += _parted(share, fate)
            elif len(share) == 1 or fault_of(fate) is not None:
                fates += [fate] * len(share)  # the database's doing
            else:
                if not isinstance(fate, Fault):
                    _log.error("a call's reports failed; each goes by itself", exc_info=fate)
                fates += await self._apart(share)
        return fates

    async def _apart(self, share: Sequence[Submission]) -> list[_Fate]:
        alone = [_submit(self._committer, submission, has_company=True) for submission in share]
        await _wait(alone)
        return [_fate_of(done) for done in alone]


def _submit(
    committer: Committer, submission: Submission, *, has_company: bool
) -> asyncio.Future[Committed] | Fault:
    try:
        return committer.submit(submission, has_company=has_company)
    except Fault as fault:
        return fault


async def _wait(submitted: Sequence[asyncio.Future[Committed] | Fault]) -> None:
    """Waits for all of them; one who waits no longer does not undo them."""
    for done in submitted:
        if not isinstance(done, Fault):
            with suppress(Exception):  # `_fate_of` tells
                await done


def _fate_of(done: asyncio.Future[Committed] | Fault) -> _Fate:
    if isinstance(done, Fault):
        return done
    error = done.exception()
    assert error is None or isinstance(error, Exception), "the committer hands over nothing else"
    return error or done.result()


def _reports(submission: Submission) -> int:
    return len(submission.gifts) + len(submission.refunds) + len(submission.disputes)


def _shares(submissions: Sequence[Submission]) -> Iterator[list[Submission]]:
    """What goes together, in order; what is too large for company goes alone."""
    share: list[Submission] = []
    reports = 0
    for submission in submissions:
        more = _reports(submission)
        if share and reports + more > _REPORTS_MAX:
            yield share
            share, reports = [], 0
        share.append(submission)
        reports += more
    if share:
        yield share


def _joined(share: Sequence[Submission]) -> Submission:
    if len(share) == 1:
        return share[0]
    return Submission(
        gifts=[gift for submission in share for gift in submission.gifts],
        refunds=[refund for submission in share for refund in submission.refunds],
        disputes=[dispute for submission in share for dispute in submission.disputes],
    )


def _parted(share: Sequence[Submission], whole: Committed) -> Iterator[Committed]:
    """What became of each part of a joined submission."""
    if len(share) == 1:
        yield whole
        return
    gifts = refunds = disputes = 0
    for submission in share:
        gifts_end = gifts + len(submission.gifts)
        refunds_end = refunds + len(submission.refunds)
        disputes_end = disputes + len(submission.disputes)
        yield Committed(
            whole.batch_id,
            whole.recorded_time,
            whole.outcomes[gifts:gifts_end],
            whole.refunds[refunds:refunds_end],
            whole.disputes[disputes:disputes_end],
        )
        gifts, refunds, disputes = gifts_end, refunds_end, disputes_end
