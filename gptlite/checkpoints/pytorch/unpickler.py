"""Pickles that hold tensors, read without running anything in them.

A pickle is a program for a small stack machine, and Python's own machine will import and call
whatever the program names. The machine here knows the few opcodes that torch.save writes (protocol
2) and makes nothing but plain data and descriptions of tensors: a name stays a name, the only calls
are the few in the tables below, and no attribute of anything is ever set.

Whatever else a training checkpoint holds (a Namespace of options, numpy's random state) becomes a
``Blank``. So does an object of the user's own class, such as nanoGPT's GPTConfig, which a pickle
makes by an opcode and not by a call (NEWOBJ). Any other call, and any other name, is refused with
the name in the message.
"""

import struct
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, TypeGuard

from gptlite.checkpoints.strict_json import shown
from gptlite.errors import CheckpointError

# A training checkpoint of gpt2-xl, with two moments of each parameter, has a pickle of 260 thousand
# bytes and takes about 60 thousand steps. A byte can make 70 bytes of data, so only the number of
# steps bounds memory and time.
MAX_BYTES = 1 << 24
MAX_STEPS = 300_000
_MAX_NAME = 256  # bytes of a module's or a class's name
_MAX_DIMENSIONS = 8  # of a tensor; GPT-2's masks have 4


class Name(NamedTuple):
    """The name of something that Python's own machine would import."""

    name: str


class Blank(NamedTuple):
    """A placeholder for an object that is neither plain data nor a tensor."""

    name: str


class Storage(NamedTuple):
    """A row of numbers of one kind, stored elsewhere in the file under ``key``."""

    key: str
    dtype: str
    numel: int


class Tensor(NamedTuple):
    """A view of a storage; offset and strides count numbers. Bounds are not checked yet."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class OrderedDict(dict[object, object]):
    """A dict that may be given a state, which is ignored; a state dict comes with one."""


class Unpickled(NamedTuple):
    """A pickle that was read.

    Attributes:
        value: the object that it describes.
        storages: key -> every storage that a tensor in it points to.
        end: the byte after the pickle.
    """

    value: object
    storages: dict[str, Storage]
    end: int


STORAGES = {
    "torch.FloatStorage": "F32",
    "torch.HalfStorage": "F16",
    "torch.BFloat16Storage": "BF16",
    "torch.DoubleStorage": "F64",
    "torch.LongStorage": "I64",
    "torch.IntStorage": "I32",
    "torch.ShortStorage": "I16",
    "torch.CharStorage": "I8",
    "torch.ByteStorage": "U8",
    "torch.BoolStorage": "BOOL",
    "torch.storage.UntypedStorage": "U8",
}

# These may be named and called; the result is a Blank. (In protocol 2, builtins is __builtin__.)
IGNORED = {
    *(f"__builtin__.{name}" for name in ("bool", "dict", "float", "int", "list", "long", "set")),
    *("__builtin__.str", "__builtin__.unicode"),
    *("argparse.Namespace", "collections.Counter", "collections.defaultdict", "typing.Any"),
    *("pathlib.PosixPath", "pathlib.WindowsPath", "pathlib._local.PosixPath", "_codecs.encode"),
    *("numpy.ndarray", "numpy.dtype"),
    *(
        f"numpy.{core}.multiarray.{f}"
        for core in ("core", "_core")
        for f in ("scalar", "_reconstruct")
    ),
    *("torch.device", "torch.float32", "torch.float16", "torch.bfloat16", "torch.float64"),
    *("torch.int64", "torch.int32", "torch.uint8", "torch.bool"),
}


def unpickle(
    data: bytes, where: str, begin: int = 0, protocols: Collection[int] = (2,)
) -> Unpickled:
    """Read the pickle that begins at byte ``begin`` of ``data``.

    Args:
        data: the bytes, which may go on after the pickle.
        where: the file, for error messages.
        protocols: torch.save writes 2, Python itself 4 or 5.

    Raises:
        CheckpointError: not a pickle of such a protocol; it calls or names something that is
            neither in ``IGNORED`` nor part of a tensor; it takes more than ``MAX_STEPS`` steps.
    """
    machine = _Machine(data, where, begin)
    if machine.take(1) != b"\x80" or machine.number(1) not in protocols:
        expected = " or ".join(map(str, protocols))
        raise machine.refusal(f"expected a pickle of protocol {expected}")
    while machine.steps < MAX_STEPS:
        machine.steps += 1
        code = machine.take(1)
        if code == b".":
            return machine.stop()
        if code not in _OPCODES:
            raise machine.refusal(f"opcode {code!r} is not one that torch.save writes")
        _OPCODES[code](machine)
    raise machine.refusal(f"more than {MAX_STEPS} steps")


class _Machine:
    """The state of the stack machine, and the operations that its opcodes share."""

    def __init__(self, data: bytes, where: str, begin: int) -> None:
        self.data = data
        self.where = where
        self.at = begin  # the next byte
        self.steps = 0
        self.stack: list[object] = []
        self.marks: list[int] = []  # heights of the stack
        # A dict: a list would need as much room as the largest index that a pickle dreams up.
        self.memo: dict[int, object] = {}
        self.storages: dict[str, Storage] = {}
        self.unexplained: dict[str, None] = {}  # names outside the tables
        self.classes: set[str] = set()  # names that objects were made of

    def refusal(self, message: str) -> CheckpointError:
        return CheckpointError(f"{self.where}: pickle, before byte {self.at}: {message}")

    def take(self, n: int) -> bytes:
        begin, self.at = self.at, self.at + n
        if self.at > len(self.data):
            raise self.refusal(f"found {len(self.data)} bytes: it is cut short or too long")
        return self.data[begin : self.at]

    def number(self, n: int, signed: bool = False) -> int:
        return int.from_bytes(self.take(n), "little", signed=signed)

    def line(self) -> str:
        end = self.data.find(b"\n", self.at, self.at + _MAX_NAME)
        if end < 0:
            raise self.refusal(f"expected a name of less than {_MAX_NAME} bytes")
        return self.text(self.take(end + 1 - self.at)[:-1])

    def text(self, raw: bytes) -> str:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            raise self.refusal("expected text in UTF-8, found other bytes") from None

    def push(self, value: object) -> None:
        self.stack.append(value)

    def top(self) -> object:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise self.refusal("expected a value on the stack, found none")
        return self.stack[-1]

    def pop(self) -> object:
        self.top()
        return self.stack.pop()

    def pop_to_mark(self) -> list[object]:
        if not self.marks:
            raise self.refusal("expected a mark on the stack, found none")
        height = self.marks.pop()
        values = self.stack[height:]
        del self.stack[height:]
        return values

    def stop(self) -> Unpickled:
        value = self.pop()
        if self.stack or self.marks:
            raise self.refusal("expected one value on the stack at the end, found more")
        for name in self.unexplained:
            if name not in self.classes:
                raise self.refusal(f"{shown(name)} is not data")
        return Unpickled(value, self.storages, self.at)


# ---- Containers ---------------------------------------------------------------------------------


def _tuple(machine: _Machine, n: int) -> None:
    values = [machine.pop() for _ in range(n)]
    machine.push(tuple(values[::-1]))


def _append(machine: _Machine, values: list[object]) -> None:
    target = machine.top()
    if type(target) is list:
        target.extend(values)
    elif type(target) is not Blank:
        raise machine.refusal(f"expected a list to append to, found {_kind(target)}")


def _set_items(machine: _Machine, values: Sequence[object]) -> None:
    target = machine.top()
    if len(values) % 2:
        raise machine.refusal("expected keys and values in pairs")
    if type(target) is Blank:
        return
    if type(target) not in (dict, OrderedDict):
        raise machine.refusal(f"expected a dict to put items in, found {_kind(target)}")
    assert isinstance(target, dict)
    for key, value in zip(values[::2], values[1::2], strict=True):
        # Other keys could be made slow to hash on purpose: a tuple that holds the last tuple twice,
        # and so on, takes forever, and any number of large ints can share one hash.
        if not (key is None or type(key) in (str, float, bool, bytes) or _is_int64(key)):
            raise machine.refusal(f"expected a plain key, found {_kind(key)}")
        target[key] = value


def _build(machine: _Machine) -> None:
    machine.pop()  # the state: for a state dict, the versions of its layers
    target = machine.top()
    if type(target) not in (OrderedDict, Blank):
        raise machine.refusal(f"expected no state to set, found one for {_kind(target)}")


# ---- Text and numbers ---------------------------------------------------------------------------


def _string(machine: _Machine, raw: bytes) -> None:
    """Push Python 2's str, which was text or bytes."""
    machine.push(raw.decode("ascii") if raw.isascii() else raw)


def _get(machine: _Machine, index: int) -> None:
    if index not in machine.memo:
        raise machine.refusal(f"nothing is remembered under {index}")
    machine.push(machine.memo[index])


def _skip(machine: _Machine, n: int) -> None:
    machine.take(n)


def _put(machine: _Machine, index: int) -> None:
    machine.memo[index] = machine.top()


# ---- Names, calls and storages ------------------------------------------------------------------


def _global(machine: _Machine) -> None:
    name = f"{machine.line()}.{machine.line()}"
    if not (name in _CALLS or name in STORAGES or name in IGNORED):
        machine.unexplained[name] = None
    machine.push(Name(name))


def _new_object(machine: _Machine) -> None:
    machine.pop()  # arguments
    cls = machine.pop()
    if type(cls) is not Name:
        raise machine.refusal(f"expected a class to make an object of, found {_kind(cls)}")
    machine.classes.add(cls.name)
    machine.push(Blank(cls.name))


def _reduce(machine: _Machine) -> None:
    args, function = machine.pop(), machine.pop()
    if type(function) is not Name:
        raise machine.refusal(f"expected a function to call, found {_kind(function)}")
    if type(args) is not tuple:
        raise machine.refusal(f"expected a tuple of arguments, found {_kind(args)}")
    if function.name in _CALLS:
        machine.push(_CALLS[function.name](machine, args))
    elif function.name in IGNORED:
        machine.push(Blank(function.name))
    else:
        raise machine.refusal(f"a call of {shown(function.name)}, which is not data")


def _storage(machine: _Machine) -> None:
    found = machine.pop()
    if type(found) is not tuple or not (
        (len(found) == 5 or (len(found) == 6 and found[5] is None))  # the sixth: part of another
        and found[0] in ("storage", b"storage")
        and (type(found[1]) is Name and found[1].name in STORAGES)
        and (type(found[2]) is str and _is_int64(found[4]) and found[4] >= 0)
    ):
        raise machine.refusal("expected a storage with its kind, key, place and size")
    storage = Storage(found[2], STORAGES[found[1].name], found[4])
    before = machine.storages.setdefault(storage.key, storage)
    if before != storage:
        raise machine.refusal(
            f"storage {shown(storage.key)}: expected {before.numel} {before.dtype} as before, "
            f"found {storage.numel} {storage.dtype}"
        )
    machine.push(before)


def _rebuild_tensor(machine: _Machine, args: tuple[object, ...]) -> Tensor:
    storage, offset, shape, strides = args[:4] if len(args) in (4, 6, 7) else [None] * 4
    if (
        type(storage) is not Storage
        or not (_is_int64(offset) and offset >= 0)
        or not (_are_sizes(shape) and _are_sizes(strides))
        or len(shape) != len(strides)
    ):
        raise machine.refusal(
            "expected a tensor's storage, offset, "
            f"and at most {_MAX_DIMENSIONS} sizes with as many strides"
        )
    # An option may say, for instance, that each number has its sign changed.
    if len(args) == 7 and args[6] not in (None, {}):
        raise machine.refusal("a tensor with options of its own is not known here")
    return Tensor(storage, offset, shape, strides)


def _are_sizes(value: object) -> TypeGuard[tuple[int, ...]]:
    return (
        type(value) is tuple
        and len(value) <= _MAX_DIMENSIONS
        and all(_is_int64(n) and n >= 0 for n in value)
    )


def _is_int64(value: object) -> TypeGuard[int]:
    return type(value) is int and -(2**63) <= value < 2**63


def _rebuild_parameter(machine: _Machine, args: tuple[object, ...]) -> Tensor:
    if len(args) != 3 or type(args[0]) is not Tensor:
        raise machine.refusal("expected a parameter's tensor and two options")
    return args[0]


def _ordered_dict(machine: _Machine, args: tuple[object, ...]) -> OrderedDict:
    """Make an empty dict that opcodes fill; Python 2 called it with a list of pairs."""
    result = OrderedDict()
    machine.push(result)
    pairs = args[0] if len(args) == 1 else []
    if len(args) > 1 or type(pairs) is not list:
        raise machine.refusal("expected an OrderedDict's list of pairs")
    machine.steps += len(pairs)  # one list may be given to any number of calls
    for pair in pairs:
        if not (isinstance(pair, list) and len(pair) == 2):
            raise machine.refusal("expected an OrderedDict's list of pairs")
        _set_items(machine, pair)
    machine.pop()
    return result


def _size(machine: _Machine, args: tuple[object, ...]) -> object:
    if len(args) != 1 or not _are_sizes(args[0]):
        raise machine.refusal(f"expected a torch.Size of at most {_MAX_DIMENSIONS} sizes")
    return args[0]


def _kind(value: object) -> str:
    """Name the kind of a value, which may itself be too deep to be shown."""
    named = type(value) in (Name, Blank)
    return shown(value[0]) if named else type(value).__name__  # type: ignore[index]


_CALLS: dict[str, Callable[[_Machine, tuple[object, ...]], object]] = {
    "collections.OrderedDict": _ordered_dict,
    "torch.Size": _size,
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
}

_OPCODES: dict[bytes, Callable[[_Machine], None]] = {
    b"N": lambda m: m.push(None),
    b"\x88": lambda m: m.push(True),
    b"\x89": lambda m: m.push(False),
    b"K": lambda m: m.push(m.number(1)),
    b"M": lambda m: m.push(m.number(2)),
    b"J": lambda m: m.push(m.number(4, signed=True)),
    b"\x8a": lambda m: m.push(m.number(m.number(1), signed=True)),
    b"G": lambda m: m.push(struct.unpack(">d", m.take(8))[0]),
    b"X": lambda m: m.push(m.text(m.take(m.number(4)))),
    b"U": lambda m: _string(m, m.take(m.number(1))),
    b"T": lambda m: _string(m, m.take(m.number(4))),
    b")": lambda m: m.push(()),
    b"]": lambda m: m.push([]),
    b"}": lambda m: m.push({}),
    b"(": lambda m: m.marks.append(len(m.stack)),
    b"t": lambda m: m.push(tuple(m.pop_to_mark())),
    b"\x85": lambda m: _tuple(m, 1),
    b"\x86": lambda m: _tuple(m, 2),
    b"\x87": lambda m: _tuple(m, 3),
    b"a": lambda m: _append(m, [m.pop()]),
    b"e": lambda m: _append(m, m.pop_to_mark()),
    b"s": lambda m: _set_items(m, [m.pop(), m.pop()][::-1]),
    b"u": lambda m: _set_items(m, m.pop_to_mark()),
    b"q": lambda m: _put(m, m.number(1)),
    b"r": lambda m: _put(m, m.number(4)),
    # Since protocol 4: a frame (whose length does not matter here), a short text, the next number.
    b"\x95": lambda m: _skip(m, 8),
    b"\x8c": lambda m: m.push(m.text(m.take(m.number(1)))),
    b"\x94": lambda m: _put(m, len(m.memo)),
    b"h": lambda m: _get(m, m.number(1)),
    b"j": lambda m: _get(m, m.number(4)),
    b"c": _global,
    b"\x81": _new_object,
    b"R": _reduce,
    b"b": _build,
    b"Q": _storage,
}
