"""The machine as one process sees it: what it may use, who is busy, and what its children have used."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time

import pytest
from powercap import open_descriptors, write_proc, write_stat

from greenai_magic.meter.accuracy import CPU_KNOWN_VCPU
from greenai_magic.meter.host import CLK_TCK, Host, cpu_quota, live_children_s, memory_limit_gb
from greenai_magic.meter.meter import Meter
from greenai_magic.meter.models import LinearModel

BURN_S = 0.05
BURN = f"import time\nend = time.process_time() + {BURN_S}\nwhile time.process_time() < end: pass\n"
HOLD = "print('done', flush=True); input()"
PYTHON = [sys.executable, "-S", "-E", "-c"]

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="procfs is Linux's")


@pytest.fixture
def proc(tmp_path):
    return write_proc(tmp_path / "proc")


@pytest.fixture
def cgroup(tmp_path):
    (tmp_path / "cgroup").mkdir()
    return tmp_path / "cgroup"


def limited(folder, **files):
    """Write the files of a cgroup; two underscores stand for a dot."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def answering(code):
    """Start a child that burns, answers and then waits."""
    child = subprocess.Popen([*PYTHON, code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"done\n"
    return child


# What this process may use


def test_a_quota_of_version_2_is_cpus(proc, cgroup):
    limited(cgroup, cpu__max="150000 100000\n")
    assert cpu_quota(proc, cgroup) == 1.5


def test_a_quota_of_version_1_is_cpus(proc, cgroup):
    limited(cgroup / "cpu", cpu__cfs_quota_us="50000\n", cpu__cfs_period_us="100000\n")
    assert cpu_quota(proc, cgroup) == 0.5


@pytest.mark.parametrize("text", ["max 100000\n", "", "a b\n"])
def test_no_quota_is_none(proc, cgroup, text):
    limited(cgroup, cpu__max=text)
    limited(cgroup / "cpu", cpu__cfs_quota_us="-1\n", cpu__cfs_period_us="100000\n")
    assert cpu_quota(proc, cgroup) is None


def test_the_quota_is_that_of_the_own_group_where_it_can_be_seen(tmp_path, cgroup):
    limited(cgroup, cpu__max="max 100000\n")
    limited(cgroup / "jobs" / "mine", cpu__max="200000 100000\n")
    inside = write_proc(tmp_path / "seen", cgroup_path="/jobs/mine")
    assert cpu_quota(inside, cgroup) == 2.0
    # In a container the path is the host's and leads nowhere.
    outside = write_proc(tmp_path / "unseen", cgroup_path="/kubepods/pod1")
    assert cpu_quota(outside, cgroup) is None


def test_the_limits_of_the_groups_above_bind_too(tmp_path, cgroup):
    limited(cgroup / "jobs", cpu__max="200000 100000\n", memory__max="3000000000\n")
    limited(cgroup / "jobs" / "mine", cpu__max="max 100000\n", memory__max="max\n")
    inside = write_proc(tmp_path / "seen", cgroup_path="/jobs/mine")
    assert cpu_quota(inside, cgroup) == 2.0
    assert memory_limit_gb(inside, cgroup) == 3.0


def test_a_system_without_cgroups_has_no_limits(tmp_path):
    assert cpu_quota(tmp_path / "proc", tmp_path / "cgroup") is None
    assert memory_limit_gb(tmp_path / "proc", tmp_path / "cgroup") is None


def test_a_memory_limit_is_read_in_both_versions(proc, cgroup):
    limited(cgroup / "memory", memory__limit_in_bytes="4000000000\n")
    assert memory_limit_gb(proc, cgroup) == 4.0
    limited(cgroup, memory__max="2000000000\n")
    assert memory_limit_gb(proc, cgroup) == 2.0


def test_a_host_may_use_no_more_than_its_quota(proc, cgroup):
    limited(cgroup, cpu__max="50000 100000\n", cpu__stat="usage_usec 7000000\nuser_usec 1\n")
    host = Host(proc=proc, cgroup=cgroup)
    assert (host.quota_cpus, host.cpus_allowed, host.cpus_online) == (0.5, 0.5, os.cpu_count())


@pytest.fixture
def one_cpu():
    allowed = os.sched_getaffinity(0)
    if len(allowed) < 2:
        pytest.skip("one processor is no choice")
    os.sched_setaffinity(0, {max(allowed)})
    yield max(allowed)
    os.sched_setaffinity(0, allowed)


@linux
def test_a_host_may_use_no_more_than_its_affinity_and_sees_who_is_busy_there(proc, cgroup, one_cpu):
    ticks = {f"cpu{cpu}": 1000 for cpu in range(os.cpu_count())} | {f"cpu{one_cpu}": 300}
    write_stat(proc, **ticks)
    mine = Host(allowed_only=True, proc=proc, cgroup=cgroup)
    assert mine.cpus_allowed == 1
    assert mine.now().busy_s == 300 / CLK_TCK
    everybody = Host(proc=proc, cgroup=cgroup)
    assert everybody.now().busy_s == sum(ticks.values()) / CLK_TCK


# Who is busy


def test_waiting_and_stolen_time_is_not_busy(proc, cgroup):
    (proc / "stat").write_text("cpu  100 20 30 9000 800 4 5 70 60 50\n")
    assert Host(proc=proc, cgroup=cgroup).now().busy_s == (100 + 20 + 30 + 4 + 5) / CLK_TCK


@pytest.mark.parametrize("version", [1, 2])
def test_in_a_container_those_in_it_are_everybody(proc, cgroup, version):
    write_stat(proc, cpu0=99_999)
    if version == 2:
        limited(cgroup, cpu__max="100000 100000\n", cpu__stat="usage_usec 7000000\nuser_usec 1\n")
    else:
        limited(cgroup / "cpu", cpu__cfs_quota_us="100000\n", cpu__cfs_period_us="100000\n")
        limited(cgroup / "cpuacct", cpuacct__usage="7000000000\n")
    assert Host(allowed_only=True, proc=proc, cgroup=cgroup).now().busy_s == 7.0
    assert Host(proc=proc, cgroup=cgroup).now().busy_s == 99_999 / CLK_TCK


def test_busy_time_never_falls_and_outlives_its_file(proc, cgroup):
    write_stat(proc, cpu0=500)
    host = Host(proc=proc, cgroup=cgroup)
    assert host.now().busy_s == 500 / CLK_TCK
    write_stat(proc, cpu0=400)
    assert host.now().busy_s == 500 / CLK_TCK
    (proc / "stat").write_text("")
    assert host.now().busy_s == 500 / CLK_TCK
    assert host.tells_busy
    write_stat(proc, cpu0=600)
    assert host.now().busy_s == 600 / CLK_TCK


@pytest.mark.parametrize("text", ["", "cpu  0 0 0 0 0 0 0 0 0 0\n"])
def test_where_nobody_tells_who_is_busy_our_own_work_is_what_is_known(proc, cgroup, text):
    (proc / "stat").write_text(text)
    host = Host(proc=proc, cgroup=cgroup)
    assert not host.tells_busy
    before = host.now()
    end = time.process_time() + 0.02
    while time.process_time() < end:
        pass
    after = host.now(own=False)
    assert after.busy_s - before.busy_s == after.own_s - before.own_s >= 0.02


def test_without_procfs_psutil_is_asked(tmp_path):
    host = Host(proc=tmp_path / "none", cgroup=tmp_path / "none")
    first, second = host.now(), host.now()
    assert 0 < first.busy_s <= second.busy_s
    assert 0 < first.own_s <= second.own_s


def test_a_host_leaves_no_descriptor(proc, cgroup):
    limited(cgroup, cpu__max="100000 100000\n", cpu__stat="usage_usec 1\n")
    before = open_descriptors()
    closed = Host(allowed_only=True, proc=proc, cgroup=cgroup)
    closed.close()
    closed.close()
    forgotten = Host(allowed_only=True, proc=proc, cgroup=cgroup)
    del forgotten
    assert open_descriptors() == before


def test_all_clocks_go_forward():
    host = Host()
    instants = [host.now() for _ in range(50)]
    for before, after in itertools.pairwise(instants):
        assert all(b >= a for a, b in zip(before, after, strict=True))
    # Awake, the two clocks go together.
    awake_s = instants[-1].monotonic_s - instants[0].monotonic_s
    assert instants[-1].boottime_s - instants[0].boottime_s == pytest.approx(awake_s, abs=0.05)


# What the children have used


def test_own_work_is_counted():
    host = Host()
    before = host.now().own_s
    end = time.process_time() + 0.02
    while time.process_time() < end:
        pass
    assert host.now().own_s - before >= 0.02


@linux
def test_without_a_child_nothing_is_searched(tmp_path):
    # A procfs that is not there cannot be searched, and need not be.
    assert live_children_s(tmp_path / "none") == 0.0


@linux
def test_children_are_looked_for_only_where_asked():
    host = Host()
    before = host.now().own_s
    child = answering(BURN + HOLD)
    assert host.now(own=False).own_s == before
    assert host.now().own_s - before >= BURN_S - 2 / CLK_TCK
    child.communicate(b"\n")


@linux
def test_a_child_that_lives_counts_before_and_after_its_end():
    host = Host()
    before = host.now().own_s
    child = answering(BURN + HOLD)
    alive_s = live_children_s()
    assert alive_s >= BURN_S - 2 / CLK_TCK
    during = host.now().own_s
    assert during - before >= BURN_S - 2 / CLK_TCK
    child.communicate(b"\n")
    assert live_children_s() <= alive_s - BURN_S + 2 / CLK_TCK
    assert host.now().own_s >= during


@linux
def test_a_grandchild_counts_alive_and_reaped():
    start = f"subprocess.Popen([sys.executable, '-S', '-E', '-c', {BURN + HOLD!r}], stdin=subprocess.PIPE, stdout=subprocess.PIPE)"
    code = (
        f"import subprocess, sys\nchild = {start}\nchild.stdout.readline()\n{HOLD}\nchild.communicate(b'x')\n"
    )
    child = answering(code + HOLD)
    alive_s = live_children_s()
    assert alive_s >= BURN_S
    child.stdin.write(b"\n")
    child.stdin.flush()
    assert child.stdout.readline() == b"done\n"
    assert live_children_s() >= alive_s
    child.communicate(b"\n")


@linux
def test_looking_at_children_reaps_none():
    child = subprocess.Popen([*PYTHON, "raise SystemExit(3)"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert live_children_s() >= 0
    assert child.wait() == 3


@linux
def test_short_lived_children_are_this_kernels_own():
    model = LinearModel("cpu", "1 W a busy CPU", CPU_KNOWN_VCPU, idle_w=0.0, busy_w=1.0, cpus=os.cpu_count())
    meter = Meter([model], Host(), threaded=False)
    window = meter.open()
    for _ in range(5):
        subprocess.run([*PYTHON, BURN], check=True)
    window.stop()
    start, end = window.start.now, meter.look().now
    assert end.own_s - start.own_s >= 5 * BURN_S
    measurement = window.measure()
    # At 1 W for each busy CPU, joules above idle are CPU-seconds; ticks of 10 ms blur the machine's.
    assert measurement.attributed.value >= min(5 * BURN_S, measurement.machine.value) * 0.9
    assert measurement.attributed.value > 0
    meter.close()
