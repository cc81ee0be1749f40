#!/usr/bin/env python3
"""Fails if files of a crate import each other in a circle.

usage: scripts/import_circles.py [--edges] [SRC ...]

Looks at the `src` folders of all crates of the workspace, or at those named. A file imports another if it names something
that the other defines: in a `use`, or by a path that starts with `crate`, `super`, `self` or a module of its own. What a
module only passes on (`pub use`) counts as an import of the file that defines it. A declaration `mod name;` is none, and
modules for tests (`#[cfg(test)]`) are left out. Prints the circles, file by file, and how many there are: the smallest
groups of files each of which leads to all others. With --edges it prints every import as well.
"""

import collections
import dataclasses
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/                      # comments
    |b?r(?P<hashes>\#*)".*?"(?P=hashes)         # raw strings
    |b?"(?:\\.|[^"\\])*"                        # strings
    |b?'(?:\\[^\n]{1,10}?|[^'\\])'              # characters
    |'\w+                                       # lifetimes
    |(?P<word>(?:r\#)?[A-Za-z_]\w*)|(?P<sign>::|[^\s\w])""",
    re.DOTALL | re.VERBOSE,
)
KEYWORDS_OF_ITEMS = {"struct", "enum", "trait", "fn", "type", "const", "static", "union", "macro_rules"}


@dataclasses.dataclass
class Module:
    path: tuple
    file: pathlib.Path
    children: set = dataclasses.field(default_factory=set)
    items: set = dataclasses.field(default_factory=set)
    imports: dict = dataclasses.field(default_factory=dict)
    """The path that a name was imported from."""
    globs: list = dataclasses.field(default_factory=list)
    paths: set = dataclasses.field(default_factory=set)
    """Every path that is named in it."""


class Crate:
    """The modules of a crate, by their paths."""

    def __init__(self, root):
        self.root = root
        self.modules = {}
        self.add_file((), root, root.parent)

    def add_file(self, path, file, folder):
        tokens = [found for found in TOKEN.finditer(file.read_text()) if found["word"] or found["sign"]]
        words = [found.group() for found in tokens]
        self.modules[path] = Module(path, file)
        self.add_items(path, words, 0, folder)

    def add_items(self, path, words, at, folder):
        """Reads a module's tokens from `at` up to the brace that closes it; returns where that is."""
        module = self.modules[path]
        depth = 0
        for_tests = False
        while at < len(words):
            word = words[at]
            before = words[at - 1] if at else ""
            if words[at : at + 7] == ["#", "[", "cfg", "(", "test", ")", "]"]:
                for_tests = True
                at += 7
                continue
            if word == "mod" and depth == 0 and words[at + 2] in ";{":
                name = words[at + 1]
                if words[at + 2] == "{":
                    if for_tests:
                        at = closing(words, at + 2)
                    else:
                        module.children.add(name)
                        self.modules[(*path, name)] = Module((*path, name), module.file)
                        at = self.add_items((*path, name), words, at + 3, folder / name)
                elif not for_tests:
                    module.children.add(name)
                    file = folder / f"{name}.rs"
                    if not file.exists():
                        file = folder / name / "mod.rs"
                    self.add_file((*path, name), file, folder / name)
                    at += 2
                for_tests = False
            elif word == "use" and before not in ("<", ",", "+"):
                end = words.index(";", at)
                for target, name in tree(words[at + 1 : end]):
                    module.paths.add(tuple(target))
                    if name == "*":
                        module.globs.append(tuple(target))
                    elif depth == 0:
                        module.imports[name] = tuple(target)
                at = end
                for_tests = False
            elif word in "{([":
                depth += 1
            elif word in "})]":
                if depth == 0 and word == "}":
                    return at
                depth -= 1
                for_tests = for_tests and depth != 0
            elif depth == 0 and word in KEYWORDS_OF_ITEMS:
                name = words[at + 1] if words[at + 1] != "!" else words[at + 2]
                module.items.add(name)
                if for_tests:
                    at = end_of_item(words, at)
                    for_tests = False
            elif before != "::" and re.match(r"[A-Za-z_]", word) and words[at + 1 : at + 2] == ["::"]:
                named = [word]
                while words[at + 1 : at + 2] == ["::"] and re.match(r"[A-Za-z_]", words[at + 2]):
                    named.append(words[at + 2])
                    at += 2
                if named[0] in ("crate", "super", "self") or named[0] in module.children:
                    module.paths.add(tuple(named))
                else:
                    # A module may be declared below its use.
                    module.paths.add(("?", *named))
            at += 1
        return at

    def define(self, module, path, seen=frozenset()):
        """The file that defines what `path` names as seen from `module`; None if it is not of this crate."""
        place, rest = module.path, list(path)
        first = rest[0]
        if first == "?":
            rest.pop(0)
            if rest[0] not in module.children:
                return None
        if first in ("crate", "self", "super"):
            while rest and rest[0] in ("crate", "self", "super"):
                word = rest.pop(0)
                place = () if word == "crate" else place[:-1] if word == "super" else place
        elif rest[0] not in module.children and rest[0] not in module.imports:
            return None
        while rest:
            here = self.modules.get(place)
            if here is None:
                return None
            name = rest[0]
            if name in here.children:
                place = (*place, rest.pop(0))
            elif name in here.items:
                return here.file
            elif (place, name) in seen:
                return None
            elif name in here.imports and here.imports[name] != tuple(path):
                target = (*here.imports[name], *rest[1:])
                return self.define(here, target, seen | {(place, name)}) or here.file
            else:
                for glob in here.globs:
                    found = self.define(here, (*glob, *rest), seen | {(place, name)})
                    if found and (place, name) not in seen:
                        return found
                return here.file
        return self.modules[place].file if place in self.modules else None

    def edges(self):
        """{file: {file it imports: a path that says so}}."""
        edges = collections.defaultdict(dict)
        for module in self.modules.values():
            for path in module.paths:
                target = self.define(module, path)
                if target and target != module.file:
                    edges[module.file].setdefault(target, "::".join(word for word in path if word != "?"))
        return edges


def closing(words, at):
    """Where the bracket that opens at `at` closes."""
    depth = 0
    for here in range(at, len(words)):
        depth += (words[here] in "{([") - (words[here] in "})]")
        if depth == 0:
            return here
    return len(words)


def end_of_item(words, at):
    while at < len(words) and words[at] not in ";{":
        at = closing(words, at) + 1 if words[at] in "([" else at + 1
    return closing(words, at) if words[at : at + 1] == ["{"] else at


def tree(words):
    """(path, name) of everything that a `use` names."""
    prefix = []
    at = 0
    while at < len(words):
        word = words[at]
        if word == "{":
            end = closing(words, at)
            part, depth = [], 0
            for inner in [*words[at + 1 : end], ","]:
                depth += (inner == "{") - (inner == "}")
                if inner == "," and depth == 0:
                    for path, name in tree(part) if part else []:
                        path = [*prefix, *path]
                        yield (path[:-1], path[-2] if name == "self" else name) if path[-1] == "self" else (path, name)
                    part = []
                else:
                    part.append(inner)
            return
        if word == "*":
            yield prefix, "*"
            return
        if word == "as":
            yield prefix, words[at + 1]
            return
        if word != "::":
            prefix.append(word)
        at += 1
    yield prefix, prefix[-1]


def circles(edges):
    """Groups of files each of which leads to all others (strongly connected components of more than one)."""
    order, low, on_stack, stack, found = {}, {}, set(), [], []

    def visit(file):
        order[file] = low[file] = len(order)
        stack.append(file)
        on_stack.add(file)
        for target in edges.get(file, {}):
            if target not in order:
                visit(target)
                low[file] = min(low[file], low[target])
            elif target in on_stack:
                low[file] = min(low[file], order[target])
        if low[file] == order[file]:
            group = []
            while not group or group[-1] != file:
                group.append(stack.pop())
                on_stack.discard(group[-1])
            if len(group) > 1:
                found.append(sorted(group))

    for file in sorted(edges):
        if file not in order:
            visit(file)
    return found


def main():
    arguments = sys.argv[1:]
    show = "--edges" in arguments
    folders = [pathlib.Path(folder).resolve() for folder in arguments if folder != "--edges"]
    folders = folders or sorted(manifest.parent / "src" for manifest in manifests())
    if not folders:
        sys.exit("no crate was found")
    sys.setrecursionlimit(10_000)
    number = files = imports = 0
    for folder in folders:
        for root in (folder / "lib.rs", folder / "main.rs", *sorted(folder.glob("bin/*.rs"))):
            if not root.exists():
                continue
            crate = Crate(root)
            edges = crate.edges()
            files += len({module.file for module in crate.modules.values()})
            imports += sum(map(len, edges.values()))
            if show:
                for file in sorted(edges):
                    for target, path in sorted(edges[file].items()):
                        print(f"{relative(file)} -> {relative(target)}: {path}")
            for group in circles(edges):
                number += 1
                print(f"circle {number}:")
                for file in group:
                    for target in sorted(edges[file].keys() & set(group)):
                        print(f"    {relative(file)} -> {relative(target)}: {edges[file][target]}")
    print(f"{number} import circles among {files} files with {imports} imports")
    if imports == 0:
        sys.exit("no import was found, which cannot be")
    sys.exit(1 if number else 0)


def manifests():
    return [file for pattern in ("Cargo.toml", "*/Cargo.toml", "shards/*/Cargo.toml") for file in ROOT.glob(pattern)]


def relative(file):
    return file.relative_to(ROOT) if file.is_relative_to(ROOT) else file


if __name__ == "__main__":
    main()
