"""What a verification can find, where, and the Danish sentence for it."""

from dataclasses import dataclass, field
from enum import Enum

# A broken chain of a million events is told by its first findings and their number.
MOST_FINDINGS = 100


class Kind(Enum):
    """A kind of tampering; the value is the Danish word of the verdict."""

    ALTERED = "ændret"
    REMOVED = "fjernet"
    REORDERED = "byttet om"
    CUT_OFF = "afkortet"
    RECOMPUTED = "genberegnet"
    INSERTED = "indsat uden om kæden"
    HEAD = "hovedet ændret"
    PERSONAL_ALTERED = "personlig del ændret"
    PERSONAL_REMOVED = "personlig del fjernet uden slettehændelse"
    PERSONAL_RETURNED = "personlig del genindsat efter sletning"
    CHECKPOINT_FORGED = "kontrolpunkt forfalsket"
    CHECKPOINT_REMOVED = "kontrolpunkt fjernet"


_SENTENCES = {
    Kind.ALTERED: "Hændelse {where} er ændret, efter at den blev skrevet.",
    Kind.REMOVED: "Hændelse {where} er fjernet.",
    Kind.REORDERED: "Hændelse {where} er byttet om.",
    Kind.CUT_OFF: "Kæden er afkortet: hændelse {where} mangler i enden.",
    Kind.RECOMPUTED: "Kæden er genberegnet: hændelse {where} svarer ikke til det underskrevne kontrolpunkt.",
    Kind.INSERTED: "Hændelse {where} er indsat uden om kædens hoved.",
    Kind.HEAD: "Kædens hoved svarer ikke til hændelse {where}.",
    Kind.PERSONAL_ALTERED: "Den personlige del af hændelse {where} er ændret.",
    Kind.PERSONAL_REMOVED: "Den personlige del af hændelse {where} er fjernet uden slettehændelse.",
    Kind.PERSONAL_RETURNED: "Den personlige del af hændelse {where} er tilbage, selv om den er slettet.",
    Kind.CHECKPOINT_FORGED: "Kontrolpunkt {where} er forfalsket.",
    Kind.CHECKPOINT_REMOVED: "Kontrolpunkt {where} er fjernet.",
}


@dataclass(frozen=True)
class Finding:
    """One tampering: events (or, for the two kinds of checkpoints, checkpoint numbers) ``first`` to ``last``."""

    chain: str
    kind: Kind
    first: int
    last: int

    def __str__(self) -> str:
        where = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return f"{self.chain}: {_SENTENCES[self.kind].format(where=where)}"


@dataclass
class Verdict:
    """What the verification of one chain gave."""

    chain: str
    n_events: int = 0
    n_erased: int = 0
    n_checkpoints: int = 0
    # The last event that a valid checkpoint vouches for.
    signed_seq: int = 0
    personal_checked: bool = True
    findings: list[Finding] = field(default_factory=list)
    n_findings: int = 0

    @property
    def whole(self) -> bool:
        """Whether nothing was found."""
        return self.n_findings == 0

    def add(self, kind: Kind, first: int, last: int | None = None) -> None:
        """Note a finding; runs of the same kind become one."""
        last = first if last is None else last
        if self.findings and self.findings[-1].kind is kind and self.findings[-1].last + 1 == first:
            self.findings[-1] = Finding(self.chain, kind, self.findings[-1].first, last)
            return
        self.n_findings += 1
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(self.chain, kind, first, last))

    def in_order(self) -> "Verdict":
        """Sort the findings by place, those of checkpoints last."""
        about_checkpoints = (Kind.CHECKPOINT_FORGED, Kind.CHECKPOINT_REMOVED)
        self.findings.sort(key=lambda finding: (finding.kind in about_checkpoints, finding.first))
        return self

    def sentence(self) -> str:
        """Say the verdict in plain Danish."""
        if not self.whole:
            return f"{self.chain}: Kæden er IKKE hel: {self.n_findings} fejl i {_events(self.n_events)}."
        text = f"{self.chain}: Kæden er hel: {_events(self.n_events)}"
        if self.n_erased:
            text += f", heraf {self.n_erased} med lovligt slettet personlig del"
        if not self.personal_checked:
            text += " (de personlige dele er ikke med og ikke kontrolleret)"
        unsigned = self.n_events - self.signed_seq
        if self.n_checkpoints == 0:
            return text + ". Der er ingen kontrolpunkter, så en genberegnet kæde kan ikke opdages."
        text += f". Underskrevne kontrolpunkter: {self.n_checkpoints}"
        return text + (
            f"; endnu ikke underskrevet: de nyeste {_events(unsigned)}." if unsigned > 1 else _last(unsigned)
        )


def _events(number: int) -> str:
    return "1 hændelse" if number == 1 else f"{number} hændelser"


def _last(unsigned: int) -> str:
    return "; endnu ikke underskrevet: den nyeste hændelse." if unsigned else "."
