from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archbench.errors import StoreError, UsageError
from archbench.store.database import Store, import_store
from archbench.store.records import Configuration, Result
from archbench.store.results import COLUMNS, SCHEMA, VERSION, columns
from archbench.store.rows import to_row

# What other processes run: `write(path, name, count)` adds results and says of each that add() returned.
WRITER = """
import sys
from pathlib import Path
from archbench.errors import StoreError
from archbench.store.database import Store
from archbench.store.records import Configuration, Result

what = Configuration("vgg16", "3x224x224", "cpu", "a cpu", "eval", 1, "fp32", "nchw", False, False, 2)

def write(path, name, count, samples=200):
    with Store(Path(path)) as store:
        for i in range(count):
            result = Result(f"{name}-{i}", f"2026-01-01T00:00:00.{i:06}", "here", what, "ok",
                            samples_s=tuple(0.001 * k + i for k in range(samples)))
            store.add(result)
            print(result.run_id, flush=True)
"""


def start(code):
    command = [sys.executable, "-c", f"{WRITER}\n{code}"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def configuration(**changes):
    values = {
        "model": "vgg16",
        "input_shape": "3x224x224",
        "kind": "cpu",
        "device": "Some CPU",
        "mode": "eval",
        "batch": 32,
        "dtype": "fp32",
        "layout": "nchw",
        "compiled": False,
        "graphs": False,
        "threads": 8,
    }
    return Configuration(**{**values, **changes})


def result(run_id="a", started_at="2026-01-01T00:00:00+00:00", status="ok", machine="here", what=None, **figures):
    return Result(run_id, started_at, machine, what or configuration(), status, **figures)


def ids(results):
    return [found.run_id for found in results]


def is_sound(path):
    connection = sqlite3.connect(path)
    try:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    finally:
        connection.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deeper" / "results.sqlite"


@pytest.fixture
def filled(path):
    """Return the path of a store with one result, closed."""
    with Store(path) as store:
        store.add(result())
    return path


# Results as they come back


figures = st.none() | st.floats(allow_nan=False, allow_infinity=False)
sizes = st.none() | st.integers(0, 2**63 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]))
times = st.lists(st.floats(allow_nan=False), max_size=5).map(tuple)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
configurations = st.builds(
    Configuration,
    **dict.fromkeys(("model", "input_shape", "kind", "device", "mode", "dtype", "layout"), texts),
    **dict.fromkeys(("compiled", "graphs"), st.booleans()),
    batch=st.integers(1, 2**40),
    threads=st.integers(0, 1024),
)
results = st.builds(
    Result,
    **dict.fromkeys(("run_id", "started_at", "machine", "reason"), texts),
    **dict.fromkeys(("images_per_s", "images_per_s_low", "images_per_s_high", "latency_s_median"), figures),
    **dict.fromkeys(("latency_s_p90", "latency_s_p99", "flop_per_s", "utilisation", "compile_s"), figures),
    **dict.fromkeys(("first_step_s", "energy_j_per_image", "predicted_images_per_s", "replay_s"), figures),
    **dict.fromkeys(("peak_allocated_bytes", "peak_reserved_bytes"), sizes),
    **dict.fromkeys(("samples_s", "latencies_s"), times),
    configuration=configurations,
    samples_per_process=st.lists(st.integers(0, 100), max_size=3).map(tuple),
    phases_s=st.dictionaries(texts, st.floats(allow_nan=False), max_size=3),
    flags=st.lists(texts, max_size=3).map(tuple),
    environment=st.dictionaries(texts, values, max_size=3),
)


@pytest.mark.slow
@given(kept=results)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_result_comes_back_as_it_was(kept):
    with tempfile.TemporaryDirectory() as folder:
        with Store(Path(folder) / "a.sqlite") as store:
            store.add(kept)
        with Store(Path(folder) / "a.sqlite", for_reading=True) as store:
            assert store.results() == [kept]
            assert store.latest(kept.configuration, kept.machine) == kept


def test_a_figure_that_is_not_finite_is_stored_as_unknown(path):
    kept = result(images_per_s=float("inf"), flop_per_s=float("nan"), samples_s=(0.0, float("inf")))
    with Store(path) as store:
        store.add(kept)
        assert store.results() == [replace(kept, images_per_s=None, flop_per_s=None)]


def test_a_name_that_is_not_unicode_is_stored_and_found(path):
    what = configuration(model="caf\udce9.py:Net")
    with Store(path) as store:
        store.add(result(what=what))
        assert store.latest(what, "here") is not None
        assert store.results()[0].configuration.model == "caf?.py:Net"


def test_failed_and_flagged_results_are_stored(path):
    with Store(path) as store:
        for status in ("ok", "not_converged", "implausible", "oom", "failed"):
            store.add(result(status, status=status, reason=f"because {status}", flags=("throttled",)))
        assert {(kept.status, kept.reason) for kept in store.results()} >= {
            ("oom", "because oom"),
            ("ok", "because ok"),
        }
        assert ids(store.results(status="implausible")) == ["implausible"]


# Asking


def test_the_newest_come_first_also_after_an_import(path, tmp_path):
    with Store(path) as store:
        store.add(result("middle", "2026-02-01T00:00:00+00:00"))
    with Store(tmp_path / "other.sqlite") as other:
        other.add(result("old", "2026-01-01T00:00:00+00:00"))
        other.add(result("new", "2026-03-01T00:00:00+00:00"))
        other.add(result("newer", "2026-03-01T00:00:00+00:00"))
    import_store(tmp_path / "other.sqlite", path)
    with Store(path) as store:
        assert ids(store.results()) == ["newer", "new", "middle", "old"]
        assert ids(store.results(limit=2)) == ["newer", "new"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("model", "alexnet"), ("kind", "cuda"), ("device", "H200"), ("mode", "train"), ("batch", 1)],
        *[("dtype", "bf16"), ("layout", "nhwc"), ("compiled", True), ("input_shape", "3x64x64")],
    ],
)
def test_results_are_found_by_what_was_measured(path, field, value):
    with Store(path) as store:
        store.add(result("usual"))
        store.add(result("sought", what=configuration(**{field: value})))
        assert ids(store.results(**{field: value})) == ["sought"]
        assert ids(store.results(**{field: value}, status="failed")) == []
        assert (store.count(**{field: value}), store.count()) == (1, 2)


def test_a_filter_by_something_that_results_do_not_have_is_a_type_error(path):
    with Store(path) as store, pytest.raises(TypeError, match="results have no field modell"):
        store.results(modell="vgg16")


def test_latest_is_the_newest_result_on_this_machine_of_any_status(path):
    with Store(path) as store:
        store.add(result("old", "2026-01-01T00:00:00+00:00"))
        store.add(result("new", "2026-01-02T00:00:00+00:00", status="oom"))
        assert store.latest(configuration(), "here").run_id == "new"
        assert store.latest(configuration(), "elsewhere") is None
        assert store.latest(configuration(graphs=True), "here") is None
        assert store.latest(configuration(threads=4), "here") is None
        assert store.latest(configuration(batch=1), "here") is None


def test_fastest_sorts_the_results_that_match(path):
    small = configuration(input_shape="3x32x32")
    with Store(path) as store:
        store.add(result("slow", images_per_s=10.0))
        store.add(result("fast", images_per_s=20.0, what=configuration(batch=256)))
        store.add(result("unknown"))
        store.add(result("flagged", images_per_s=1e9, status="implausible"))
        store.add(result("loose", images_per_s=30.0, status="not_converged"))
        store.add(result("elsewhere", images_per_s=40.0, machine="elsewhere"))
        store.add(result("other", images_per_s=50.0, what=configuration(model="alexnet")))
        store.add(result("training", images_per_s=60.0, what=configuration(mode="train")))
        store.add(result("small", images_per_s=70.0, what=small))
        here = {"model": "vgg16", "machine": "here", "status": "ok", "mode": "eval"}
        assert [found.run_id for found in store.fastest(**here)][:3] == ["small", "fast", "slow"]
        assert store.fastest(**{**here, "input_shape": "3x224x224"})[0].run_id == "fast"
        assert store.fastest(**{**here, "mode": "train"})[0].run_id == "training"
        assert store.fastest(**{**here, "model": "vgg19"}) == []


def test_a_run_is_found_by_the_beginning_of_its_id(path):
    with Store(path) as store:
        for run_id in ("abcdef01", "abcdef02", "abc", "f00dbabe"):
            store.add(result(run_id))
        assert store.find("f").run_id == store.find("f00dbabe").run_id == "f00dbabe"
        # The whole of one is the beginning of others.
        assert store.find("abc").run_id == "abc"
        with pytest.raises(
            UsageError, match="2 runs begin with 'abcd', such as abcdef01, abcdef02; give more characters"
        ):
            store.find("abcd")
        with pytest.raises(UsageError, match="there is no run 'f00dbaby'; did you mean 'f00dbabe'"):
            store.find("f00dbaby")


def test_in_an_empty_store_no_run_is_found(path):
    with Store(path) as store, pytest.raises(UsageError, match="there is no run 'a'; archbench results"):
        store.find("a")


# Importing


def test_an_import_takes_what_is_new_and_leaves_duplicates_alone(path, tmp_path):
    with Store(tmp_path / "other.sqlite") as other:
        other.add(result("both", reason="theirs"))
        other.add(result("theirs"))
    with Store(path) as store:
        store.add(result("both", reason="ours"))
        assert import_store(tmp_path / "other.sqlite", path) == (1, 0)
        assert import_store(tmp_path / "other.sqlite", path) == (0, 0)
        assert import_store(path, path) == (0, 0)
        assert {(kept.run_id, kept.reason) for kept in store.results()} == {("both", "ours"), ("theirs", "")}


def test_nothing_of_a_damaged_store_is_imported(filled, tmp_path):
    other = tmp_path / "other.sqlite"
    with Store(other) as store:
        store.add(result("whole"))
        store.add(result("damaged"))
    connection = sqlite3.connect(other)
    with connection:
        connection.execute("UPDATE results SET samples_s = '[1, ' WHERE run_id = 'damaged'")
    connection.close()
    for target in (filled, tmp_path / "new.sqlite"):
        with pytest.raises(StoreError, match="is damaged: result 'damaged' cannot be read"):
            import_store(other, target)
    with Store(filled) as store:
        assert ids(store.results()) == ["a"]
    assert not (tmp_path / "new.sqlite").exists()


def test_an_import_on_a_full_disk_adds_nothing(filled, tmp_path):
    with Store(tmp_path / "other.sqlite") as other:
        for i in range(100):
            other.add(result(str(i), samples_s=(0.123456789,) * 200))
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "from archbench.store.database import import_store\n"
        "try:\n"
        f"    import_store(Path({str(tmp_path / 'other.sqlite')!r}), Path({str(filled)!r}))\n"
        "except StoreError as error:\n"
        "    print(error)\n"
    )
    out, err = start(code).communicate(timeout=60)
    assert out.startswith(f"cannot write to the store '{filled}': "), err
    with Store(filled) as store:
        assert ids(store.results()) == ["a"]


def test_importing_a_missing_store_is_an_error_and_creates_nothing(path, tmp_path):
    with pytest.raises(StoreError, match=r"there is no store '.*nothing.sqlite'"):
        import_store(tmp_path / "nothing.sqlite", path)
    assert not (tmp_path / "nothing.sqlite").exists()
    assert not path.exists()


def test_a_result_is_stored_once(filled):
    with Store(filled) as store:
        with pytest.raises(StoreError, match="has that result already"):
            store.add(result(reason="again"))
        assert [kept.reason for kept in store.results()] == [""]


# Files that are no store


@pytest.mark.parametrize("content", [b"x", b"run_id,started_at\n" * 1000, b"\x00" * 5000, b"SQLite format 3\x00" * 400])
@pytest.mark.parametrize("for_reading", [False, True])
def test_a_file_that_is_not_a_database_is_left_unchanged(tmp_path, content, for_reading):
    path = tmp_path / "a.sqlite"
    path.write_bytes(content)
    with pytest.raises(StoreError) as caught, Store(path, for_reading=for_reading):
        pass
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_left_unchanged(tmp_path):
    path = tmp_path / "a.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE songs (title TEXT)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="is a database, but not a store"), Store(path):
        pass
    assert path.read_bytes() == before


@pytest.mark.parametrize("for_reading", [False, True])
def test_a_store_of_a_newer_version_is_left_unchanged(filled, for_reading):
    connection = sqlite3.connect(filled)
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    before = filled.read_bytes()
    with pytest.raises(StoreError, match=f"has version {VERSION + 1}, newer than"):
        Store(filled, for_reading=for_reading).__enter__()
    assert filled.read_bytes() == before


# Stores of earlier versions


@pytest.fixture
def first_version(tmp_path):
    """Return the path of a store as version 1 made it, with a result that knows nothing of what came later."""
    path = tmp_path / "first.sqlite"
    connection = sqlite3.connect(path)
    with connection:
        for statement in SCHEMA:
            connection.execute(statement)
        names = columns(1)
        values = to_row(result("old", samples_s=(0.1, 0.2), flags=("drift: a little",)))
        places = ", ".join(f":{name}" for name in names)
        connection.execute(f"INSERT INTO results ({', '.join(names)}) VALUES ({places})", values)
        connection.execute(f"PRAGMA application_id = {int.from_bytes(b'arch', 'big')}")
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    return path


def table_of(path):
    connection = sqlite3.connect(path)
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    names = [row[1] for row in connection.execute("PRAGMA table_info(results)")]
    connection.close()
    return version, names


OLD = result("old", samples_s=(0.1, 0.2), flags=("drift: a little",))
NEW = result("new", "2026-01-02", replay_s=0.05, samples_per_process=(1, 1), phases_s={"forward": 0.1})


def test_a_store_of_the_first_version_is_upgraded(first_version):
    with Store(first_version) as store:
        assert store.results() == [OLD]
        store.add(NEW)
    version, names = table_of(first_version)
    assert (version, sorted(names)) == (VERSION, sorted([*COLUMNS, "id"]))
    with Store(first_version) as store:
        assert store.results() == [NEW, OLD]


def test_a_store_of_the_first_version_is_read_and_imported_without_an_upgrade(first_version, path):
    before = first_version.read_bytes()
    with Store(first_version, for_reading=True) as store:
        assert store.results() == [OLD]
        assert store.latest(configuration(), "here") == store.find("ol") == OLD
    assert import_store(first_version, path) == (1, 0)
    with Store(path) as store:
        assert store.results() == [OLD]
    assert first_version.read_bytes() == before


def test_a_new_and_an_upgraded_store_have_the_same_columns(first_version, filled):
    with Store(first_version):
        pass
    assert table_of(first_version) == table_of(filled)


@pytest.mark.slow
def test_processes_that_upgrade_a_store_at_the_same_moment_agree(first_version):
    code = (
        f"import time; time.sleep(max(0, {time.time() + 1.5} - time.time())); write({str(first_version)!r}, {{!r}}, 1)"
    )
    writers = [start(code.format(str(i))) for i in range(4)]
    for writer in writers:
        _, err = writer.communicate(timeout=120)
        assert (writer.returncode, err) == (0, "")
    with Store(first_version) as store:
        assert len(store.results()) == 5


def test_a_truncated_store_is_an_error(path):
    with Store(path) as store:
        for i in range(100):
            store.add(result(str(i), samples_s=(0.123456789,) * 200))
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\x5a" * (len(content) - 4096))
    with Store(path, for_reading=True) as store, pytest.raises(StoreError, match="cannot read the store"):
        store.results()


@pytest.mark.parametrize(
    "column", ["model", "started_at", "status", "images_per_s", "batch", "samples_s", "environment"]
)
@pytest.mark.parametrize("value", [b"\xff\xfe", b"{", "text"])
def test_a_result_with_values_of_other_types_is_damaged(filled, column, value):
    if value == "text" and column in ("model", "started_at", "status"):
        return
    with sqlite3.connect(filled) as connection:
        connection.execute(f"UPDATE results SET {column} = ?", (value,))
    connection.close()
    with Store(filled, for_reading=True) as store, pytest.raises(StoreError, match="is damaged: result 'a' cannot be"):
        store.results()


def test_a_store_with_random_bytes_changed_is_read_or_refused(filled, tmp_path):
    content, numbers = filled.read_bytes(), random.Random(0)
    for trial in range(60):
        changed = bytearray(content)
        for _ in range(20):
            changed[numbers.randrange(len(changed) if trial % 2 else 4096)] = numbers.randrange(256)
        path = tmp_path / f"{trial}.sqlite"
        path.write_bytes(changed)
        # Any other error fails the test.
        with suppress(StoreError), Store(path, for_reading=True) as store:
            store.results()
            store.trainings()
            store.count()


def test_numbers_beyond_those_of_a_database_are_refused(filled):
    with Store(filled, for_reading=True) as store, pytest.raises(StoreError, match="cannot read"):
        store.results(limit=10**30)


def test_a_store_whose_creation_was_interrupted_is_empty(tmp_path):
    path = tmp_path / "a.sqlite"
    path.touch()
    with Store(path, for_reading=True) as store:
        assert (store.results(), store.count()) == ([], 0)
    with Store(path) as store:
        store.add(result())
        assert ids(store.results()) == ["a"]


# Folders and disks


def test_a_folder_that_cannot_be_created_is_an_error():
    with pytest.raises(StoreError, match=r"cannot open the store '/proc/nowhere/a\.sqlite': No such file"):
        Store(Path("/proc/nowhere/a.sqlite")).__enter__()


def test_a_folder_is_not_a_store(tmp_path):
    with pytest.raises(StoreError, match="is not a file"):
        Store(tmp_path).__enter__()


def test_a_pipe_is_not_a_store_and_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StoreError, match="is not a file"):
        Store(tmp_path / "pipe").__enter__()


@pytest.mark.slow
def test_a_read_only_folder_can_be_read_and_not_written():
    # Not pytest's own folder: only its owner may enter that.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.sqlite"
        with Store(path) as store:
            store.add(result())
        path.chmod(0o444)
        Path(folder).chmod(0o555)
        code = (
            f"path = Path({str(path)!r})\n"
            "with Store(path, for_reading=True) as store:\n"
            "    print(len(store.results()))\n"
            "try:\n"
            "    write(path, 'new', 1)\n"
            "except StoreError as error:\n"
            "    print(error)\n"
        )
        # Root may write everywhere; what it imported stays imported when it becomes nobody.
        nobody = "import os; os.setuid(65534)\n" if os.geteuid() == 0 else ""
        out, err = start(nobody + code).communicate(timeout=60)
        Path(folder).chmod(0o755)
        assert out.splitlines()[0] == "1", err
        assert "readonly database" in out.splitlines()[1]
        with Store(path) as store:
            assert ids(store.results()) == ["a"]


@pytest.mark.slow
def test_a_full_disk_loses_nothing_that_was_stored(path):
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))\n"
        "try:\n"
        f"    write({str(path)!r}, 'row', 1000)\n"
        "except StoreError as error:\n"
        "    print(error, file=sys.stderr)\n"
    )
    out, err = start(code).communicate(timeout=60)
    stored = out.split()
    assert 10 < len(stored) < 1000
    assert err.startswith(f"cannot write to the store '{path}': ")
    assert err.count("\n") == 1
    assert is_sound(path)
    with Store(path) as store:
        assert ids(reversed(store.results())) == stored
        store.add(result("there is room again"))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="small file systems in memory are of Linux")
def test_a_store_on_a_full_disk_can_be_read(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("only root may mount")
    try:
        with Store(disk / "a.sqlite") as store:
            store.add(result())
        with suppress(OSError), (disk / "filling").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        with Store(disk / "a.sqlite", for_reading=True) as store:
            assert ids(store.results()) == ["a"]
    finally:
        subprocess.run(["umount", disk], check=True)


# Several processes


@pytest.mark.slow
def test_several_processes_write_at_once_and_lose_nothing(path):
    writers = [start(f"write({str(path)!r}, 'w{i}', 50)") for i in range(4)]
    for writer in writers:
        _, err = writer.communicate(timeout=120)
        assert (writer.returncode, err) == (0, "")
    with Store(path) as store:
        assert set(ids(store.results())) == {f"w{i}-{k}" for i in range(4) for k in range(50)}
    assert is_sound(path)


@pytest.mark.slow
def test_processes_that_create_the_store_at_the_same_moment_agree(path):
    for attempt in range(3):
        place = path.with_name(f"{attempt}.sqlite")
        # They import, then wait for the same moment.
        code = f"import time; time.sleep(max(0, {time.time() + 1.5} - time.time())); write({str(place)!r}, {{!r}}, 1)"
        writers = [start(code.format(str(i))) for i in range(8)]
        for writer in writers:
            _, err = writer.communicate(timeout=120)
            assert (writer.returncode, err) == (0, "")
        with Store(place) as store:
            assert len(store.results()) == 8


@pytest.mark.slow
def test_killed_at_any_moment_it_keeps_every_result_whose_add_returned(path):
    seed = random.randrange(2**32)
    moments = random.Random(seed)
    stored = set()
    for life in range(12):
        with start(f"write({str(path)!r}, 'life{life}', 100_000)") as writer:
            # Two of them are killed while they start or make the store.
            if life > 1:
                stored.add(writer.stdout.readline().strip())
            time.sleep(moments.uniform(0.0, 0.3))
            writer.kill()
            # The last line may be cut short: of that one it is not known whether add() returned.
            stored |= {line.strip() for line in writer.stdout if line.endswith("\n")}
        if not path.exists():
            continue
        assert is_sound(path), f"seed {seed}"
        with Store(path) as store:
            kept = set(ids(store.results()))
        assert stored <= kept, f"seed {seed}"
        # Of each life at most the one that was being written is there unasked.
        assert len(kept - stored) <= life + 1, f"seed {seed}"


@pytest.mark.slow
def test_the_store_imports_no_torch(new_interpreters):
    out, err = start("print('torch' in sys.modules)").communicate(timeout=60)
    assert out == "False\n", err
