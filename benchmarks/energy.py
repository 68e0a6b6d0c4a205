"""Energy counters of the processor packages: RAPL, as Linux shows it in /sys/class/powercap."""

from functools import cache
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")


class Counter:
    """Joules that all packages of the machine have used so far.

    Whole packages: what other processes do at the same time counts too. A counter that starts anew at its largest
    value is followed as long as it is read once in between (minutes at full power).
    """

    def __init__(self, root: Path = POWERCAP) -> None:
        self._packages: list[tuple[Path, int]] = []  # file, uJ at which it starts anew
        for zone in sorted(root.glob("intel-rapl:*")):
            try:  # parts of a package (intel-rapl:0:0) are in it, and psys holds the packages
                if zone.name.count(":") == 1 and (zone / "name").read_text().startswith("package"):
                    largest = int((zone / "max_energy_range_uj").read_text())
                    int((zone / "energy_uj").read_text())
                    self._packages.append((zone / "energy_uj", largest))
            except (OSError, ValueError):  # most systems let the root user alone read it
                continue
        self._last = [self._read(file) for file, _ in self._packages]
        self._total = 0

    @property
    def there(self) -> bool:
        """Whether this machine has a counter that may be read."""
        return bool(self._packages)

    def joules(self) -> float:
        """J since this counter was made."""
        for place, (file, largest) in enumerate(self._packages):
            now = self._read(file)
            self._total += (now - self._last[place]) % (largest + 1)
            self._last[place] = now
        return self._total / 1e6

    @staticmethod
    def _read(file: Path) -> int:
        return int(file.read_text())


@cache
def counter() -> Counter:
    """The machine's counter, one a process."""
    return Counter()
