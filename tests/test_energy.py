from pathlib import Path

from lobarena.benchmarks.energy import Counter


def zone(root: Path, name: str, kind: str, energy: int, largest: int = 10_000_000) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    for file, value in (("name", kind), ("energy_uj", energy), ("max_energy_range_uj", largest)):
        (folder / file).write_text(f"{value}\n")
    return folder / "energy_uj"


def test_packages_are_summed_their_parts_and_the_platform_left_out(tmp_path: Path):
    files = [zone(tmp_path, f"intel-rapl:{k}", f"package-{k}", 1_000_000 * k) for k in range(2)]
    zone(tmp_path, "intel-rapl:0:0", "core", 0)
    zone(tmp_path, "intel-rapl:2", "psys", 0)
    counter = Counter(tmp_path)
    assert counter.there
    assert counter.joules() == 0.0
    for k, file in enumerate(files):
        file.write_text(str(1_000_000 * k + 500_000))
    for other in ("intel-rapl:0:0", "intel-rapl:2"):
        (tmp_path / other / "energy_uj").write_text("9000000")
    assert counter.joules() == 1.0


def test_a_counter_that_starts_anew_is_followed(tmp_path: Path):
    file = zone(tmp_path, "intel-rapl:0", "package-0", 9_000_000, largest=9_999_999)
    counter = Counter(tmp_path)
    file.write_text("500000")
    assert counter.joules() == 1.5


def test_a_machine_without_a_readable_counter_has_none(tmp_path: Path):
    zone(tmp_path, "intel-rapl:0", "package-0", 0).unlink()
    (tmp_path / "intel-rapl:0" / "energy_uj").mkdir()
    assert not Counter(tmp_path).there
    assert not Counter(tmp_path / "none").there
    assert Counter(tmp_path).joules() == 0.0
