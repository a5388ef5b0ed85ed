"""The real pynvml against a simulated driver whose truth is known; each script is a process of its own."""

from __future__ import annotations

import os

import pytest


def test_two_gpus_add_up_to_the_truth(run):
    seen, truth, names = run("""
        world = World(StubGpu(name="Left", trace=((0, 60), (1, 300))), StubGpu(name="Right", trace=((0, 90.5),)))
        world.at(0)
        counters, notes = open_gpus(None)
        first = [read(counter, 0.5).energy_j for counter in counters]
        last = [read(counter, 2.5).energy_j for counter in counters]
        answer([
            [b - a for a, b in zip(first, last)],
            [gpu.energy_j(2.5) - gpu.energy_j(0.5) for gpu in world.gpus],
            [(c.component, "Left" in c.label or "Right" in c.label, c.period_s, c.idle_w) for c in counters],
        ])
    """)
    assert seen == pytest.approx(truth, abs=2e-3)
    assert names == [["gpu0", True, 0.5, None], ["gpu1", True, 0.5, None]]


def test_on_a_running_clock_the_counter_is_within_one_tick_of_the_truth(run):
    seen, low, high = run("""
        gpu = StubGpu(trace=[(i * 0.02, 70 if i % 3 else 400) for i in range(500)], tick_s=0.02)
        world = World(gpu)
        start = world.start()
        (counter,), notes = open_gpus(None)
        def look():
            before = time.monotonic() - start
            energy = counter.read(Instant(before, before, 0, 0), edge=True).energy_j
            return before, energy, time.monotonic() - start
        a, first, b = look()
        time.sleep(0.15)
        c, last, d = look()
        tick = gpu.tick_s
        answer([last - first, gpu.energy_j(c - tick) - gpu.energy_j(b), gpu.energy_j(d) - gpu.energy_j(a - tick)])
    """)
    assert low - 2e-3 <= seen <= high + 2e-3


def test_without_an_energy_counter_polled_power_holds_the_truth_in_its_interval(run):
    for seen_j, low, high, truth in run("""
        found = []
        for seed in range(5):
            draws = [(i * 0.25, 70 + (i * i * 37 + seed * 101) % 330) for i in range(40)]
            world = World(StubGpu(trace=draws, energy_code=stub.NOT_SUPPORTED))
            world.at(0)
            (counter,), notes = open_gpus(None)
            assert counter.period_s == 0.1 and not notes
            start = read(counter, 0.03)
            for i in range(1, 50):
                end = read(counter, 0.03 + 0.1 * i)
            figure = counter.accuracy.energy(
                end.energy_j - start.energy_j, 4.9, doubt_j=end.doubt_j - start.doubt_j,
                name="gpu0", source=counter.label,
            )
            truth = world.gpus[0].energy_j(4.93) - world.gpus[0].energy_j(0.03)
            found.append((figure.value, figure.low, figure.high, truth))
        answer(found)
    """):
        assert low <= truth <= high
        assert seen_j == pytest.approx(truth, rel=0.05)


def test_a_gap_between_polls_leaves_doubt_up_to_the_power_limit(run):
    close, far, truth = run("""
        world = World(StubGpu(trace=((0, 50), (0.9, 250), (4, 50)), limit_w=250, energy_code=stub.NOT_SUPPORTED))
        world.at(0)
        (counter,), notes = open_gpus(None)
        read(counter, 0)
        answer([read(counter, 1), read(counter, 5), world.gpus[0].energy_j(5)])
    """)
    trapezoid_w = (50 + 250) / 2
    assert close[:2] == [trapezoid_w * 1, 0.0]
    assert far[:2] == [trapezoid_w * 5, (250 - trapezoid_w) * 4]
    assert far[0] < truth <= sum(far)


def test_a_counter_that_starts_anew_drops_the_interval_and_doubts_it(run):
    before, after, later = run("""
        world = World(StubGpu(limit_w=300))
        world.at(0)
        (counter,), notes = open_gpus(None)
        before = read(counter, 1)
        world.gpus[0].base_mj = 0
        answer([before, read(counter, 3), read(counter, 4)])
    """)
    assert before[:2] == [100.0, 0.0]
    assert after[:2] == [100.0, 300 * 2]
    assert later[:2] == [200.0, 300 * 2]


def test_a_lost_gpu_says_so_and_the_other_still_reads(run):
    first, other, message = run("""
        world = World(StubGpu(), StubGpu(lost_after=2))
        world.at(0)
        (left, right), notes = open_gpus(None)
        first = read(right, 1).energy_j
        try:
            read(right, 2)
        except CounterLost as error:
            answer([first, read(left, 2).energy_j, str(error)])
    """)
    assert (first, other) == (100.0, 200.0)
    assert "gpu1" in message
    assert "lost" in message


@pytest.mark.parametrize(
    "broken",
    ["handle_code=stub.GPU_IS_LOST", "energy_code=stub.NO_PERMISSION", "energy_code=3, power_code=3"],
)
def test_a_gpu_that_cannot_be_opened_gives_one_note_and_hides_no_other(run, broken):
    components, seen, notes, hidden = run(f"""
        world = World(StubGpu({broken}), StubGpu())
        world.at(0)
        (counter,), notes = open_gpus(None)
        answer([counter.component, read(counter, 1).energy_j, notes, open_gpus("1")[1]])
    """)
    assert (components, seen, hidden) == ("gpu1", 100.0, [])
    assert len(notes) == 1
    assert "gpu0" in notes[0]


def test_a_driver_that_refuses_gives_one_note_and_one_that_is_not_loaded_none(run):
    refused = run("""
        found = []
        for code in (stub.MISMATCH, stub.NO_PERMISSION, stub.DRIVER_NOT_LOADED):
            world = World(StubGpu(), init_code=code)
            world.at(0)
            found.append(open_gpus(None))
        answer(found)
    """)
    assert [(counters, len(notes)) for counters, notes in refused] == [([], 1), ([], 1), ([], 0)]


def test_without_a_library_there_is_nothing_to_say(run, tmp_path):
    (tmp_path / "libnvidia-ml.so.1").write_text("not a library")
    assert run("answer(open_gpus(None))", LD_LIBRARY_PATH=str(tmp_path)) == [[], []]


def test_nothing_of_nvml_is_loaded_before_gpus_are_opened(run):
    assert run("answer('pynvml' in sys.modules)") is False


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_must_open_its_own_counters(run):
    child, parent = run("""
        world = World(StubGpu(pids=(os.getpid(),)))
        world.at(0)
        (counter,), notes = open_gpus(None)
        reader, writer = os.pipe()
        if not os.fork():
            try:
                read(counter, 1)
                refused = False
            except CounterLost:
                refused = True
            (fresh,), notes = open_gpus(None)
            os.write(writer, json.dumps([refused, counter.users(), read(fresh, 2).energy_j]).encode())
            counter.close()
            os._exit(0)
        os.wait()
        answer([json.loads(os.read(reader, 99)), read(counter, 2).energy_j])
    """)
    assert child == [True, None, 100.0]
    assert parent == 200.0


def test_closing_lets_go_of_its_own_hold_on_nvml_and_of_no_other(run):
    message, users, other, kept, released = run("""
        import pynvml
        def raw():
            try:
                return pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) > 0
            except pynvml.NVMLError_Uninitialized:
                return "released"
        world = World(StubGpu(), StubGpu())
        world.at(0)
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        (left, right), notes = open_gpus(None)
        left.close()
        left.close()
        try:
            message = read(left, 1)
        except CounterLost as error:
            message = str(error)
        pynvml.nvmlShutdown()
        other = read(right, 1).energy_j
        kept = raw()
        right.close()
        answer([message, left.users(), other, kept, raw()])
    """)
    assert "closed" in message
    assert (users, other) == (None, 100.0)
    assert (kept, released) == (True, "released")


def test_only_chips_whose_sensor_looks_part_of_the_time_carry_its_doubt(run):
    part_time = run("""
        found = []
        for name in ("NVIDIA A100-SXM4-80GB", "NVIDIA H100 PCIe", "NVIDIA H200", "NVIDIA GH200 480GB", "NVIDIA A800",
                     "NVIDIA H800", "NVIDIA RTX A1000", "NVIDIA GeForce RTX 4090", "Tesla V100-SXM2-16GB"):
            world = World(StubGpu(name=name))
            world.at(0)
            found.append(open_gpus(None)[0][0].accuracy.burst > 0)
        answer(found)
    """)
    assert part_time == [True] * 6 + [False] * 3
