"""Who hears an alert: quiet hours and silences of the desk and of each person, and what they held back."""

from msgspec import Struct, field

from engine.domain.alerting import DESK, AlertSettings, AlertsView
from engine.domain.effect import Severity


class Owner(Struct, kw_only=True):
    """One owner's settings with every version: 0 is as delivered."""

    settings: AlertSettings = AlertSettings()
    version: int = 0
    parent: int = -1  # the version that an undo returns to; -1: nothing before it
    history: dict[int, tuple[AlertSettings, int]] = field(default_factory=lambda: {0: (AlertSettings(), -1)})
    held: int = 0


class Audience:
    """Written by the core alone. Deterministic: the wall clock and the minute of the local day are arguments."""

    def __init__(self) -> None:
        self.owners: dict[str, Owner] = {DESK: Owner()}

    def owner(self, name: str) -> Owner:
        """With the settings as delivered for somebody who never changed any; not kept."""
        return self.owners.get(name) or Owner()

    def keep(self, name: str, settings: AlertSettings, version: int, parent: int) -> None:
        held = self.owners.setdefault(name, Owner())
        held.history[version] = (settings, parent)
        held.settings, held.version, held.parent = settings, version, parent

    def view(self, name: str) -> AlertsView:
        held = self.owner(name)
        return AlertsView(
            owner=name, version=held.version, settings=held.settings, can_undo=held.parent >= 0, held=held.held
        )

    def hear(
        self, kind: str, severity: Severity, venue: str, coin: str, only: str, wall_ms: int, local_min: int
    ) -> dict[str, int]:
        """Per owner (`desk`: everybody without settings of their own) -1 where it is held back, else how many were."""
        heard: dict[str, int] = {}
        for name in sorted({*self.owners, only} if only else self.owners):
            if only and name != only:
                continue
            held = self.owners.setdefault(name, Owner())
            if self._is_held(held, kind, severity, venue, coin, wall_ms, local_min):
                held.held += 1
                heard[name] = -1
            else:
                heard[name], held.held = held.held, 0
        return heard

    def _is_held(
        self, held: Owner, kind: str, severity: Severity, venue: str, coin: str, wall_ms: int, local_min: int
    ) -> bool:
        is_crit = severity is Severity.CRIT
        quiet = held.settings.quiet or self.owners[DESK].settings.quiet
        if quiet is not None and quiet.holds(local_min) and (quiet.crit or not is_crit):
            return True
        return any(
            silence.kind == kind
            and silence.venue in ("", venue)
            and silence.coin in ("", coin)
            and silence.holds(wall_ms)
            and (silence.crit or not is_crit)
            for silence in (*held.settings.silences, *self.owners[DESK].settings.silences)
        )

    def released(self, wall_ms: int, local_min: int) -> list[tuple[str, int]]:
        """Owners whose quiet is over while something was held back, with its count, which begins anew."""
        found = []
        desk = self.owners[DESK].settings
        for name, held in sorted(self.owners.items()):
            quiet = held.settings.quiet or desk.quiet
            if not held.held or (quiet is not None and quiet.holds(local_min)):
                continue
            if not any(silence.holds(wall_ms) for silence in (*held.settings.silences, *desk.silences)):
                found.append((name, held.held))
                held.held = 0
        return found
