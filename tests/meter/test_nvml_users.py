"""Whose work a GPU does: its processes, and waiting for what PyTorch has queued."""

from __future__ import annotations

import sys
from types import SimpleNamespace

from greenai_magic.meter.nvml import sync_devices


def test_who_computes_is_told_for_this_process_its_children_and_the_others(run):
    found = run("""
        import threading
        child = subprocess.Popen(["sleep", "60"])
        me, other, gone = os.getpid(), os.getppid(), 2**22 + 7
        def users(**lists):
            world.gpus = (StubGpu(**lists),)
            world.at(0)
            return counter.users()
        world = World(StubGpu())
        world.at(0)
        (counter,), notes = open_gpus(None)
        thread = threading.Thread(target=time.sleep, args=(60,), daemon=True)
        thread.start()
        answer({
            "nobody": users(),
            "me": users(pids=(me,), sm=((me, 20),)),
            "a thread of mine": users(pids=(thread.native_id,)),
            "my child and another": users(pids=(child.pid, other)),
            "me through MPS": users(pids=(other,), mps_pids=(me,)),
            "another": users(pids=(other,)),
            "shares": users(pids=(me, child.pid, other), sm=((me, 20), (child.pid, 10), (other, 10))),
            "others idle": users(pids=(me, other), sm=((me, 0), (other, 0))),
            "shares in the host's numbers": users(pids=(me, other), sm=((gone, 20), (other, 10))),
            "list in the host's numbers": users(pids=(gone,)),
            "not told": users(process_code=stub.NOT_SUPPORTED),
        })
        child.kill()
    """)
    assert found == {
        "nobody": [0, 0, None],
        "me": [1, 0, None],
        "a thread of mine": [1, 0, None],
        "my child and another": [1, 1, None],
        "me through MPS": [1, 1, None],
        "another": [0, 1, None],
        "shares": [2, 1, 0.75],
        "others idle": [1, 1, None],
        "shares in the host's numbers": [1, 1, None],
        "list in the host's numbers": None,
        "not told": None,
    }


def torch_with(monkeypatch, *, started=True, reserved=(), error=None):
    waited = []

    def synchronize(device):
        waited.append(device)
        if error:
            raise error

    cuda = SimpleNamespace(
        is_initialized=lambda: started,
        device_count=lambda: 4,
        memory_reserved=lambda device: 2**20 if device in reserved else 0,
        synchronize=synchronize,
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    return waited


def test_the_devices_that_torch_uses_are_waited_for_and_no_other_is_started(monkeypatch):
    waited = torch_with(monkeypatch, reserved=(0, 2))
    sync_devices()
    assert waited == [0, 2]


def test_before_torch_has_started_cuda_nothing_is_touched(monkeypatch):
    waited = torch_with(monkeypatch, started=False, reserved=(0,))
    sync_devices()
    assert waited == []


def test_a_cuda_error_is_left_to_the_users_code(monkeypatch):
    waited = torch_with(
        monkeypatch, reserved=(1,), error=RuntimeError("CUDA error: device-side assert triggered")
    )
    sync_devices()
    assert waited == [1]


def test_a_torch_that_is_still_being_imported_is_left_alone(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=SimpleNamespace()))
    sync_devices()
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace())
    sync_devices()


def test_torch_is_never_imported_to_wait_for_it(run):
    assert (
        run("""
        from greenai_magic.meter.nvml import sync_devices
        sync_devices()
        answer("torch" in sys.modules)
    """)
        is False
    )
