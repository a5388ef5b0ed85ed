"""Twin: a model of the same structure whose tensors are others, so that the user's own is never run.

``copy.deepcopy`` will not do: it fails on locks, generators, tensors with a history and modules whose
weight a hook makes, and it keeps the user's hooks, which would then fire.
"""

from __future__ import annotations

import copy
import functools
import pickle
import threading
import types
import weakref
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import torch

from greenai_magic.errors import FlopError

TensorCopier = Callable[[torch.Tensor], torch.Tensor]

UNCOPYABLE = (
    TypeError,
    ValueError,
    AttributeError,
    RuntimeError,
    LookupError,
    OSError,
    copy.Error,
    pickle.PickleError,
)
"""What objects raise that will not be copied."""

_ATOMIC = (
    type(None), bool, int, float, complex, str, bytes, type, types.ModuleType, types.CodeType,
    torch.dtype, torch.device, torch.layout, torch.memory_format, torch.Size, object,
)  # fmt: skip
_LOCKS: dict[type, Callable[[], Any]] = {
    type(threading.Lock()): threading.Lock,
    type(threading.RLock()): threading.RLock,
}
_CUSTOM = (
    "__deepcopy__", "__copy__", "__reduce__", "__reduce_ex__", "__getstate__", "__setstate__",
    "__getnewargs__", "__getnewargs_ex__",
)  # fmt: skip
"""What a class has that wants a say in how it is copied."""
_SHARED = (torch.utils.data.Dataset, torch.utils.data.DataLoader)
_SHARED_MODULES = ("torch.fx", "torch._dynamo", "torch._ops")


class Twin:
    """Copies models and what belongs to them; asked twice for the same thing, it gives the same copy.

    Attributes
    ----------
    shared : list of str
        Types of the things that could not be copied and are the user's own.
    """

    def __init__(self, copy_tensor: TensorCopier) -> None:
        self.shared: list[str] = []
        self._copy_tensor = copy_tensor
        self._copies: dict[int, Any] = {}

    def copy(self, value: Any) -> Any:
        """Return the twin's counterpart of anything."""
        kind = type(value)
        if kind in _ATOMIC:
            return value
        if id(value) in self._copies:
            return self._copies[id(value)]
        for kinds, how in self._ways():
            if isinstance(value, kinds):
                return how(value)
        if kind.__module__.startswith(_SHARED_MODULES) or isinstance(value, _SHARED):
            return value
        return self._object(value)

    def ids(self) -> set[int]:
        """Return the identities of all copies that were made."""
        return {id(twin) for twin in self._copies.values()}

    def _ways(self) -> Iterator[tuple[Any, Callable[[Any], Any]]]:
        yield torch.nn.Module, self._module
        yield torch.Tensor, self._tensor
        yield dict, self._dict
        yield (list, set), self._collection
        yield (tuple, frozenset), self._frozen
        yield types.FunctionType, self._function
        yield types.MethodType, self._method
        yield types.BuiltinMethodType, self._builtin
        yield functools.partial, self._partial
        yield weakref.ref, self._reference
        yield tuple(_LOCKS), lambda lock: self._keep(lock, _LOCKS[type(lock)]())

    def _keep(self, original: Any, twin: Any) -> Any:
        self._copies[id(original)] = twin
        return twin

    def _tensor(self, tensor: torch.Tensor) -> torch.Tensor:
        twin: torch.Tensor = self._keep(tensor, self._copy_tensor(tensor))
        return twin

    def _module(self, module: torch.nn.Module) -> Any:
        if isinstance(module, torch.jit.ScriptModule):
            return self._keep(module, _copy_of_script(module))
        inner = vars(module).get("_modules", {}).get("_orig_mod")
        if inner is not None:  # compiled
            return self._keep(module, self.copy(inner))
        twin = self._keep(module, object.__new__(type(module)))
        state = vars(twin)
        for name, value in vars(module).items():
            state[name] = self._torch_hooks(value) if name.endswith("_hooks") else self.copy(value)
        state["_compiled_call_impl"] = None
        return twin

    def _torch_hooks(self, hooks: Any) -> Any:
        """Keep the hooks that PyTorch itself set, as weight normalisation does; the user's have effects."""
        if not isinstance(hooks, dict):
            return self.copy(hooks)
        twin = self._keep(hooks, type(hooks)())
        for key, hook in hooks.items():
            if _home(hook).startswith("torch."):
                twin[key] = self.copy(hook)
        return twin

    def _dict(self, mapping: Any) -> Any:
        put = OrderedDict.__setitem__ if isinstance(mapping, OrderedDict) else dict.__setitem__
        kind: Any = type(mapping)
        twin = self._keep(mapping, kind.__new__(kind))
        if isinstance(mapping, defaultdict):
            twin.default_factory = mapping.default_factory
        for key, value in dict.items(mapping):
            put(twin, self.copy(key), self.copy(value))
        self._attributes(mapping, twin)
        return twin

    def _collection(self, items: Any) -> Any:
        kind: Any = type(items)
        twin = self._keep(items, kind.__new__(kind))
        copies = [self.copy(item) for item in items]
        list.extend(twin, copies) if isinstance(items, list) else set.update(twin, copies)
        self._attributes(items, twin)
        return twin

    def _frozen(self, items: Any) -> Any:
        base = tuple if isinstance(items, tuple) else frozenset
        copies = [self.copy(item) for item in items]
        try:
            return base.__new__(type(items), copies)
        except TypeError:  # one of the interpreter's own records
            return type(items)(copies)

    def _function(self, function: types.FunctionType) -> Any:
        """Rebind a function that was made for the model, as by ``model.forward = lambda x: ...``."""
        original = vars(function).get("_torchdynamo_orig_callable")
        if original is not None:
            return self.copy(original)
        cells = function.__closure__ or ()
        if not any(isinstance(_content(cell), (torch.nn.Module, torch.Tensor)) for cell in cells):
            return function
        closure = tuple(types.CellType() for _ in cells)
        twin = types.FunctionType(
            function.__code__, function.__globals__, function.__name__, function.__defaults__, closure
        )
        self._keep(function, twin)
        twin.__kwdefaults__ = function.__kwdefaults__
        for cell, new in zip(cells, closure, strict=True):
            new.cell_contents = self.copy(_content(cell))
        return twin

    def _method(self, method: types.MethodType) -> Any:
        return types.MethodType(method.__func__, self.copy(method.__self__))

    def _builtin(self, method: Any) -> Any:
        owner = method.__self__
        if owner is None or isinstance(owner, (type, types.ModuleType)):
            return method
        return getattr(self.copy(owner), method.__name__, method)

    def _partial(self, partial: Any) -> Any:
        arguments, named = self.copy(partial.args), self.copy(partial.keywords)
        return self._keep(partial, functools.partial(self.copy(partial.func), *arguments, **named))

    def _reference(self, reference: Any) -> Any:
        target = reference()
        return reference if target is None else weakref.ref(self.copy(target))

    def _object(self, value: Any) -> Any:
        if _is_plain(type(value)):
            try:
                twin = object.__new__(type(value))
            except TypeError:
                return self._deep(value)
            self._keep(value, twin)
            self._attributes(value, twin)
            return twin
        return self._deep(value)

    def _attributes(self, value: Any, twin: Any) -> None:
        for name, attribute in getattr(value, "__dict__", {}).items():
            twin.__dict__[name] = self.copy(attribute)
        for kind in type(value).__mro__:
            for name in kind.__dict__.get("__slots__", ()):
                if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                    object.__setattr__(twin, name, self.copy(getattr(value, name)))

    def _deep(self, value: Any) -> Any:
        try:
            return self._keep(value, copy.deepcopy(value, self._copies))
        except UNCOPYABLE:
            name = type(value).__name__
            if hasattr(value, "__next__"):
                return self._keep(value, _Refused(name))
            self.shared.append(name)
            return self._keep(value, value)


def _copy_of_script(module: Any) -> Any:
    with torch.no_grad():  # else the copies are results of a computation, and want no gradient of their own
        twin = copy.deepcopy(module)
    for parameter, new in zip(module.parameters(), twin.parameters(), strict=True):
        new.requires_grad_(parameter.requires_grad)
    return twin


class _Refused:
    """Stands for an iterator that cannot be copied: to draw from it would use up the user's own."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __iter__(self) -> _Refused:
        return self

    def __next__(self) -> Any:
        msg = f"The model draws from a {self._name}, which cannot be copied, so counting would use it up."
        raise FlopError(msg)


def _is_plain(kind: type) -> bool:
    """Whether objects of a class are no more than their attributes."""
    if any(getattr(kind, name, None) is not getattr(object, name, None) for name in _CUSTOM):
        return False
    return hasattr(kind, "__dict__")


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return None


def _home(hook: Any) -> str:
    """Return the module in which a hook is defined."""
    function = getattr(hook, "func", hook)
    function = getattr(function, "__func__", function)
    return str(getattr(function, "__module__", None) or type(hook).__module__) + "."
