"""Holds the shapes in comments against the arrays: ``y = linear(x, weight)  # [..., n_out]``.

The source of some modules is rewritten as it is imported, so that it says at every line what the
line has made; then the code is run on small arrays, and what it said is held against the comments.

The notation. A comment that begins with a bracket is a shape, and what follows the brackets is
prose: ``# [rows, n_in]: a whole batch reads the weights once``. An axis is a number, a symbol, or
made of them by ``+ - * //``; ``...`` at the beginning stands for any leading axes. Several arrays
on one line have a bracket each, or one for all where they are alike. The comment stands on any line
of its statement, or alone on the line above.

The symbols. Sizes that are the same in every function (``n_embd``) are told by whoever runs the
code; they should all be different, so that no two can be confused. Another symbol is the local
variable of that name if this holds an int, else the size that it has where it first appears in a
call of a function; within the call it stays the same, but in each turn of a loop it may differ if
the loop is where it first appears, and so it may in each array of a list.

The lines. An array is made by an assignment, a walrus, a return or a yield whose value is an array
with axes that was not there before the line: neither a local variable, nor to be reached from the
call's arguments, nor made by an earlier line. An array written into another (``x[i] = y``) or added
to one (``x += y``) makes none; nor does what is handed on in a list, a dict or a NamedTuple, but
where such a line has a comment, it must be right. The fields of a NamedTuple may have one, too.
"""

import ast
import itertools
import re
import sys
import tokenize
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from io import StringIO
from pathlib import Path
from types import CodeType, FrameType, MethodType, ModuleType
from typing import Any

import numpy as np

Brackets = tuple[str, ...]
Shape = tuple[int, ...]
BRACKET = r"\[[^\[\]]*\]"
SHAPES = re.compile(rf"#\s*({BRACKET}(?:(?:,| and) {BRACKET})*)")
LATE = re.compile(r"\[[^\[\]]*, [^\[\]]*\]")  # in a comment that begins otherwise
LATE_MARK = "shape"


@dataclass
class Site:
    """A line that may make an array.

    Attributes:
        comment: its brackets, without their ends: ``("batch, seq",)``; none is ().
        must: whether an array made here must have a comment.
        refusal: whether the line is in a block that ends with ``raise``.
        function: the first line of the function around it; 0 at module level.
        loops: the loops of its function around it, by their number.
        reached: whether it was run.
        ran: whether it has given an array.
        bare: a shape that was made here, if a comment is missing.
    """

    path: str
    line: int
    comment: Brackets
    must: bool
    refusal: bool
    function: int
    loops: tuple[int, ...]
    reached: bool = False
    ran: bool = False
    bare: list[Shape] = field(default_factory=list)

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}"


# What a call of a function said: a loop's next turn, or a site, shapes (None is what is no array),
# whether they are a list's, and the ints among the local variables.
Said = int | tuple[int, tuple[Shape | None, ...], bool, tuple[tuple[str, int], ...]]


class Call:
    """A call of a rewritten function, which says here what its lines make."""

    def __init__(self, tracer: "Tracer") -> None:
        self.tracer = tracer
        self.sizes = tracer.sizes
        self.said: list[Said] = []
        self.began = 0
        self.waiting: list[Any] = []

    def now(self) -> int:
        """Give the time: what is known from now on was made by the line that begins here."""
        return next(self.tracer.clock)

    def before(self, began: int, value: Any, frame: FrameType) -> None:
        """Know the local variables that the value hands on, before a name is bound anew."""
        self.began = began
        local = {id(each) for each in frame.f_locals.values()}
        for each in flat(value):
            if id(each) in local:
                self.tracer.know(each, 0)

    def let(self, began: int, value: Any) -> Any:
        """Take the value of an assignment; ``made`` looks at its targets."""
        self.before(began, value, sys._getframe(1))
        return value

    def made(self, site: int, values: Sequence[Any]) -> None:
        """Take the targets of an assignment after it."""
        [value] = values if len(values) == 1 else [tuple(values)]
        self.say(site, value, sys._getframe(1))

    def gives(self, site: int, began: int, value: Any) -> Any:
        """Take what a return or a yield gives."""
        frame = sys._getframe(1)
        self.before(began, value, frame)
        self.say(site, value, frame)
        return value

    def walrus(self, site: int, began: int, value: Any) -> Any:
        """Take what a walrus has bound already."""
        self.began = began
        self.say(site, value, sys._getframe(1))
        return value

    def stored(self, site: int, began: int, container: Any, value: Any) -> Any:
        """Take what is to be stored in a container; None where it is added to a variable."""
        frame = sys._getframe(1)
        self.before(began, value, frame)
        self.tracer.sites[site].reached = True
        if not isinstance(container, np.ndarray) or self.tracer.sites[site].comment:
            self.say(site, value, frame)
        return value

    def item(self, container: Any, index: Any) -> Any:
        """Look at a target ``container[index]`` after the assignment."""
        return None if isinstance(container, np.ndarray) else container[index]

    def argument(self, began: int, value: Any) -> Any:
        """Take an argument of a call that is a statement by itself."""
        self.before(began, value, sys._getframe(1))
        if isinstance(value, np.ndarray) and self.tracer.is_new(value, began):
            self.waiting.append(value)
        return value

    def called(self, site: int) -> None:
        """Take the arguments of a call that is a statement by itself, after it."""
        arguments, self.waiting = self.waiting, []
        self.say(site, tuple(arguments), sys._getframe(1))

    def turn(self, loop: int) -> None:
        """Begin a loop's next turn."""
        self.said.append(loop)

    def say(self, number: int, value: Any, frame: FrameType) -> None:
        """Say what a line has made."""
        tracer, site = self.tracer, self.tracer.sites[number]
        site.reached = True
        record = isinstance(value, tuple) and hasattr(value, "_fields")
        values = flat(value)
        new = [has_axes(each) and tracer.is_new(each, self.began) for each in values]
        wanted = values
        if record:  # of a NamedTuple what is new
            wanted = [each for each, is_new in zip(values, new, strict=True) if is_new]
        shapes = tuple(each.shape if has_axes(each) else None for each in wanted)
        ints = tuple(
            (name, int(local))
            for name, local in frame.f_locals.items()
            if name in tracer.symbols
            and isinstance(local, (int, np.integer))
            and not isinstance(local, bool)
        )
        if any(shape is not None for shape in shapes):
            if site.comment:
                site.ran = True
                self.said.append((number, shapes, isinstance(value, list), ints))
            elif site.must and any(new) and not record and not isinstance(value, list):
                site.bare += [v.shape for v, is_new in zip(values, new, strict=True) if is_new]
        if record:
            self.say_fields(value)
        for each in values:
            tracer.know(each, next(tracer.clock))

    def say_fields(self, record: Any) -> None:
        """Say what a NamedTuple's fields hold; their symbols are bound as if they were a call's."""
        own = Call(self.tracer)
        for name, each in zip(record._fields, record, strict=True):
            number = self.tracer.fields.get((type(record).__module__, type(record).__name__, name))
            if number is not None and has_axes(each):
                self.tracer.sites[number].ran = True
                own.said.append((number, (each.shape,), False, ()))
        if own.said:
            self.tracer.calls.append(own)


def has_axes(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim > 0


def flat(value: Any) -> list[Any]:
    """Give a value, or the values in a tuple or list."""
    return list(value) if isinstance(value, (tuple, list)) else [value]


def arrays_in(value: Any, depth: int = 7) -> Iterator[np.ndarray[Any, Any]]:
    """Find the arrays that can be reached from a value."""
    if isinstance(value, np.ndarray):
        yield value
        return
    inner: Iterable[Any] = ()
    if isinstance(value, (str, bytes, int, float, type)) or value is None or not depth:
        return
    if isinstance(value, Mapping):
        inner = list(value.values())  # at once: another thread may add to it
    elif isinstance(value, (list, tuple)):
        inner = value
    elif isinstance(value, partial):
        inner = [value.func, *value.args, *value.keywords.values()]
    elif isinstance(value, MethodType):
        inner = [value.__self__]
    elif hasattr(value, "__dict__") and type(value).__module__.split(".")[0] not in FOREIGN:
        inner = list(vars(value).values())
    for each in inner:
        yield from arrays_in(each, depth - 1)


FOREIGN = {"builtins", "numpy", "functools", "types", "tqdm", "regex", "concurrent", "threading"}


class Tracer:
    """What the rewritten modules say, and what is wrong with their comments.

    Attributes:
        sites: the lines that may make an array.
        fields: the sites of a NamedTuple's fields, by module, class and name.
        symbols: that are in a comment.
        sizes: of the symbols that have the same value in every function, at present.
        calls: of functions, in their order.
        stray: comments with a shape that belong to no such line, ``"file:line"``.
    """

    def __init__(self) -> None:
        self.sites: list[Site] = []
        self.fields: dict[tuple[str, str, str], int] = {}
        self.symbols: set[str] = set()
        self.sizes: dict[str, int] = {}
        self.calls: list[Call] = []
        self.stray: list[str] = []
        self.clock = itertools.count(1)
        self.first_seen: dict[int, tuple[weakref.ref[Any], int]] = {}

    # ---- While the code runs --------------------------------------------------------------------

    def enter(self, walk: bool = True) -> Call:
        """Begin a call of a function: what can be reached from its arguments was there before."""
        call = Call(self)
        self.calls.append(call)
        if walk:
            for array in arrays_in(list(sys._getframe(1).f_locals.values())):
                self.know(array, 0)
        return call

    def know(self, value: Any, time: int) -> None:
        """Remember when an array was first seen."""
        if isinstance(value, np.ndarray):
            seen = self.first_seen.get(id(value))
            if seen is None or seen[0]() is not value:
                self.first_seen[id(value)] = weakref.ref(value), time

    def is_new(self, array: Any, began: int) -> bool:
        """Say whether an array was not there when a line began."""
        seen = self.first_seen.get(id(array))
        return seen is None or seen[0]() is not array or seen[1] > began

    @contextmanager
    def of(self, **sizes: int) -> Iterator[None]:
        """Within the block these symbols have these values too."""
        before = self.sizes
        self.sizes = before | sizes
        try:
            yield
        finally:
            self.sizes = before

    @contextmanager
    def importing(self, root: Path, package: str, files: Iterable[str]) -> Iterator[None]:
        """Within the block ``package`` is imported anew from ``root``, those files rewritten.

        Args:
            files: relative to the package's folder.
        """
        folder = root / package
        finder = Finder(self, root, package, {str(folder / file): file for file in files})

        def loaded() -> dict[str, ModuleType]:
            return {n: m for n, m in sys.modules.items() if n.split(".")[0] == package}

        before = loaded()
        for name in before:
            del sys.modules[name]
        sys.meta_path.insert(0, finder)
        try:
            yield
        finally:
            sys.meta_path.remove(finder)
            for name in loaded():
                del sys.modules[name]
            sys.modules.update(before)

    # ---- Afterwards -----------------------------------------------------------------------------

    def comments(self) -> dict[int, Brackets]:
        """Give the comments there are, by the number of their site."""
        return {i: site.comment for i, site in enumerate(self.sites) if site.comment}

    def different_calls(self) -> list[tuple[Mapping[str, int], Sequence[Said]]]:
        """Give the sizes that held in each call and what it said, once where calls are alike."""
        different = {
            (tuple(sorted(call.sizes.items())), tuple(call.said))
            for call in self.calls
            if call.said
        }
        return [(dict(sizes), said) for sizes, said in different]

    def wrong(self) -> list[str]:
        """List the comments that are not the shape of what their line has made."""
        comments = self.comments()
        found: dict[int, str] = {}
        for sizes, said in self.different_calls():
            for number, message in faults(self.sites, comments, sizes, said):
                found.setdefault(number, f"{self.sites[number].place}: {message}")
        return [found[number] for number in sorted(found)]

    def missing(self) -> list[str]:
        """List the lines that make an array and have no comment."""
        return [f"{site.place}: no shape for {site.bare[0]}" for site in self.sites if site.bare]

    def unrun(self) -> list[str]:
        """List the comments on lines that have made no array, or that can make none."""
        never = [site.place for site in self.sites if site.comment and not site.ran]
        return [f"{place}: has made no array" for place in [*never, *self.stray]]

    def unreached(self) -> list[str]:
        """List the lines that might make an array and were not run, but for what is refused.

        Those are the lines of functions that make arrays, and of functions that were not run.
        """
        functions: dict[tuple[str, int], list[Site]] = {}
        for site in self.sites:
            functions.setdefault((site.path, site.function), []).append(site)
        return [
            f"{site.place}: was not run"
            for sites in functions.values()
            if any(each.comment or each.bare for each in sites)
            or not any(each.reached for each in sites)
            for site in sites
            if site.must and not site.reached and not site.refusal
        ]


# ---- Comments against shapes --------------------------------------------------------------------


def faults(
    sites: Sequence[Site],
    comments: Mapping[int, Brackets],
    sizes: Mapping[str, int],
    said: Sequence[Said],
) -> Iterator[tuple[int, str]]:
    """Find the sites of a call whose comments are wrong, and say what is wrong."""
    bound: dict[str, tuple[int, tuple[int, ...]]] = {}  # symbol: size, loops it first appears in
    for each in said:
        if isinstance(each, int):
            bound = {name: held for name, held in bound.items() if each not in held[1]}
            continue
        number, shapes, in_list, ints = each
        brackets = comments.get(number, ())
        pairs = matched(brackets, shapes)
        if pairs is None:
            yield number, f"{len(brackets)} brackets for arrays of the shapes {shapes}"
            continue
        for bracket, shape in pairs:
            known = {name: size for name, (size, _) in bound.items()} | dict(sizes) | dict(ints)
            learned = fitted(bracket, shape, known)
            if isinstance(learned, str):
                yield number, f"[{bracket}] {learned}"
                break
            for name, size in learned.items() if not in_list else ():
                bound[name] = size, sites[number].loops


def matched(brackets: Brackets, shapes: tuple[Shape | None, ...]) -> list[tuple[str, Shape]] | None:
    """Give each array its bracket; None if there are more or fewer of them."""
    arrays = [shape for shape in shapes if shape is not None]
    if len(brackets) == 1:
        return [(brackets[0], shape) for shape in arrays]
    if len(brackets) == len(arrays):
        return list(zip(brackets, arrays, strict=True))
    if len(brackets) == len(shapes):
        both = zip(brackets, shapes, strict=True)
        return [(bracket, shape) for bracket, shape in both if shape is not None]
    return None


def fitted(bracket: str, shape: Shape, known: Mapping[str, int]) -> dict[str, int] | str:
    """Hold a comment against a shape: give the symbols that it tells, or what is wrong."""
    if bracket == LATE_MARK:
        return "must stand at the beginning of its comment"
    axes = [axis.strip() for axis in bracket.split(",")]
    given = list(shape)
    if axes[0] == "...":
        axes = axes[1:]
        given = given[max(0, len(given) - len(axes)) :]
    if len(axes) != len(given):
        return f"has not as many axes as {shape}"
    learned: dict[str, int] = {}
    for axis, size in zip(axes, given, strict=True):
        values = {**known, **learned}
        try:
            names, code = read(axis)
        except (SyntaxError, ValueError):
            return f"is not in the notation: {axis!r}"
        unknown = [name for name in names if name not in values]
        if not unknown:
            expected = eval(code, {}, values)
            if expected != size:
                return f"is {axis} = {expected} at {size} of {shape}"
        elif len(unknown) == 1:
            [name] = unknown
            tries = [size] if axis == name else range(2 * size + 2)
            fit = [n for n in tries if eval(code, {}, {**values, name: n}) == size]
            if not fit:
                return f"has no {name} for {axis} to be {size} of {shape}"
            if len(fit) == 1:
                learned[name] = fit[0]
    return learned


ALLOWED = (
    *(ast.Expression, ast.BinOp, ast.Name, ast.Load, ast.Constant),
    *(ast.Add, ast.Sub, ast.Mult, ast.FloorDiv),
)


@cache
def read(axis: str) -> tuple[list[str], CodeType]:
    """Give the symbols of an axis, and the code that computes it.

    Raises:
        SyntaxError, ValueError: it is not in the notation.
    """
    tree = ast.parse(axis, mode="eval")
    if not all(isinstance(node, ALLOWED) for node in ast.walk(tree)):
        raise ValueError(axis)
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return sorted(names), compile(tree, axis, "eval")


# ---- The source, rewritten ----------------------------------------------------------------------


class Finder:
    """Finds the package's modules in its folder, and has some of them rewritten."""

    def __init__(self, tracer: Tracer, root: Path, package: str, files: dict[str, str]) -> None:
        self.tracer, self.root, self.package, self.files = tracer, root, package, files

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.split(".")[0] != self.package:
            return None
        spec = PathFinder.find_spec(name, [str(self.root)] if path is None else path, target)
        if spec is not None and spec.origin in self.files:
            spec.loader = Loader(self.tracer, name, spec.origin, self.files[spec.origin])
        return spec


class Loader(SourceFileLoader):
    """Loads a module whose source says to a tracer what its lines make."""

    def __init__(self, tracer: Tracer, name: str, path: str, shown: str) -> None:
        super().__init__(name, path)
        self.tracer, self.shown = tracer, shown

    def get_code(self, fullname: str) -> CodeType:
        source = Path(self.path).read_text(encoding="utf-8")
        tree = Rewriter(self.tracer, self.shown, fullname, source).rewritten()
        code: CodeType = compile(tree, self.path, "exec", dont_inherit=True)
        return code

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["_shapes"] = self.tracer
        super().exec_module(module)


def comments_in(source: str) -> dict[int, tuple[Brackets, bool]]:
    """Find the comments with a shape: by line, and whether they stand alone on it.

    Of one that does not begin with its shape the mark is given.
    """
    found: dict[int, tuple[Brackets, bool]] = {}
    for token in tokenize.generate_tokens(StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        alone = not token.line[: token.start[1]].strip()
        if match := SHAPES.match(token.string):
            brackets = tuple(each[1:-1] for each in re.findall(BRACKET, match[1]))
            found[token.start[0]] = brackets, alone
        elif LATE.search(token.string):
            found[token.start[0]] = (LATE_MARK,), alone
    return found


class Rewriter(ast.NodeTransformer):
    """Rewrites a module so that each line says what it has made.

    ``x = f(y)`` becomes ``x = _call.let(_call.now(), f(y))`` and ``_call.made(7, (x,))``.
    """

    def __init__(self, tracer: Tracer, shown: str, module: str, source: str) -> None:
        self.tracer, self.shown, self.module, self.source = tracer, shown, module, source
        self.comments = comments_in(source)
        self.unused = set(self.comments)
        self.function = 0
        self.loops: tuple[int, ...] = ()
        self.n_loops = 0
        self.in_class: str | None = None

    def rewritten(self) -> ast.Module:
        tree = ast.parse(self.source)
        self.refusals = {id(node) for node in refusals(tree)}
        self.visit(tree)
        begin = statement("_call = _shapes.enter(walk=False)")
        after = sum(map(is_head, tree.body))  # docstring and imports of __future__ come first
        tree.body.insert(after, begin)
        self.tracer.stray += [f"{self.shown}:{line}" for line in sorted(self.unused)]
        return ast.fix_missing_locations(tree)

    def site(self, node: ast.stmt | ast.expr, must: bool, end: int | None = None) -> ast.Constant:
        """Number a line, with the comment that belongs to it."""
        last = end or node.end_lineno or node.lineno
        above = self.comments.get(node.lineno - 1)
        lines = [node.lineno - 1] if above and above[1] else []
        lines += [i for i in range(node.lineno, last + 1) if i in self.comments]
        self.unused.difference_update(lines)
        comment = tuple(bracket for line in lines for bracket in self.comments[line][0])
        self.tracer.symbols.update(re.findall(r"[^\W\d]\w*", " ".join(comment)))
        refusal, where = id(node) in self.refusals, (self.function, self.loops)
        self.tracer.sites.append(Site(self.shown, node.lineno, comment, must, refusal, *where))
        return ast.Constant(len(self.tracer.sites) - 1)

    # ---- Functions, classes, loops --------------------------------------------------------------

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        outer = self.function, self.loops, self.in_class
        self.function, self.loops, self.in_class = node.lineno, (), None
        self.generic_visit(node)
        self.function, self.loops, self.in_class = outer
        node.body.insert(sum(map(is_head, node.body)), statement("_call = _shapes.enter()"))
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        outer, self.in_class = self.in_class, node.name
        self.generic_visit(node)
        self.in_class = outer
        return node

    def visit_For(self, node: ast.For) -> ast.For:
        return self.loop(node)

    def visit_While(self, node: ast.While) -> ast.While:
        return self.loop(node)

    def loop(self, node: Any) -> Any:
        """Say when a turn begins, and hold a comment on its line against the loop's variables."""
        outer = self.loops
        self.n_loops += 1
        number = self.n_loops
        self.loops = (*outer, number)
        begin = [statement(f"_call.turn({number})")]
        if isinstance(node, ast.For):
            site = self.site(node, must=False, end=node.iter.end_lineno)
            begin.append(self.made(site, [node.target]))
        self.generic_visit(node)
        self.loops = outer
        node.body[:0] = begin
        return node

    # ---- Lines that may make an array -----------------------------------------------------------

    def visit_Assign(self, node: ast.Assign) -> Any:
        self.generic_visit(node)
        if self.in_class:
            return node
        site = self.site(node, must=not all(map(is_part, node.targets)))
        return self.assignment(node, site, node.targets)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        self.generic_visit(node)
        if self.in_class:
            if node.lineno in self.comments and isinstance(node.target, ast.Name):
                number = self.site(node, must=False).value
                self.tracer.fields[self.module, self.in_class, node.target.id] = number
            return node
        if node.value is None:
            return node
        return self.assignment(node, self.site(node, must=True), [node.target])

    def assignment(self, node: Any, site: ast.Constant, targets: list[ast.expr]) -> Any:
        if len(targets) == 1 and isinstance(targets[0], ast.Subscript):
            container = loaded(targets[0].value)
            node.value = call("stored", site, now(), container, node.value)
            return node
        node.value = call("let", now(), node.value)
        return [node, self.made(site, targets)]

    def made(self, site: ast.Constant, targets: Iterable[ast.expr]) -> ast.stmt:
        values = [value for target in targets for value in targets_in(target)]
        return ast.Expr(call("made", site, ast.Tuple(values, ast.Load())))

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AugAssign:
        self.generic_visit(node)
        site = self.site(node, must=False)
        if self.tracer.sites[site.value].comment:
            node.value = call("stored", site, now(), ast.Constant(None), node.value)
        return node

    def visit_Return(self, node: ast.Return) -> ast.Return:
        self.generic_visit(node)
        if node.value is not None:
            node.value = call("gives", self.site(node, must=True), now(), node.value)
        return node

    def visit_Expr(self, node: ast.Expr) -> Any:
        self.generic_visit(node)
        inner = node.value
        if isinstance(inner, ast.Yield) and inner.value is not None:
            inner.value = call("gives", self.site(node, must=True), now(), inner.value)
        elif isinstance(inner, ast.Call):
            site = self.site(node, must=False)
            if self.tracer.sites[site.value].comment:
                inner.args = [
                    arg if isinstance(arg, ast.Starred) else call("argument", now(), arg)
                    for arg in inner.args
                ]
                return [node, ast.Expr(call("called", site))]
        return node

    def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.expr:
        self.generic_visit(node)
        return call("walrus", self.site(node, must=True), now(), node)


def refusals(tree: ast.Module) -> Iterator[ast.AST]:
    """List what stands in a block that ends with ``raise``."""
    for node in ast.walk(tree):
        for block in (getattr(node, "body", None), getattr(node, "orelse", None)):
            if isinstance(block, list) and block and isinstance(block[-1], ast.Raise):
                for each in block:
                    yield from ast.walk(each)


def is_part(target: ast.expr) -> bool:
    """Say whether a target is a part of an array for certain: ``x[1:]``, ``x[...]``."""
    inner = list(ast.walk(target.slice)) if isinstance(target, ast.Subscript) else []
    return any(isinstance(n, ast.Slice) or getattr(n, "value", 0) is ... for n in inner)


def is_head(node: ast.stmt) -> bool:
    """Say whether a statement is a docstring, or an import of __future__."""
    docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return docstring or (isinstance(node, ast.ImportFrom) and node.module == "__future__")


def statement(source: str) -> ast.stmt:
    return ast.parse(source).body[0]


def call(method: str, *args: ast.expr) -> ast.expr:
    """Make ``_call.method(...)``."""
    name = ast.Attribute(ast.Name("_call", ast.Load()), method, ast.Load())
    return ast.Call(name, list(args), [])


def now() -> ast.expr:
    return call("now")


def loaded(node: ast.expr) -> ast.expr:
    """Turn a target into an expression that reads it."""
    copied = ast.parse(ast.unparse(node), mode="eval").body
    return copied


def targets_in(target: ast.expr) -> Iterator[ast.expr]:
    """List the targets of an assignment, as expressions that read them."""
    if isinstance(target, (ast.Tuple, ast.List)):
        for each in target.elts:
            yield from targets_in(each)
    elif isinstance(target, ast.Starred):
        yield from targets_in(target.value)
    elif isinstance(target, ast.Subscript):
        if not any(isinstance(node, ast.Slice) for node in ast.walk(target.slice)):
            yield call("item", loaded(target.value), loaded(target.slice))
    else:
        yield loaded(target)
