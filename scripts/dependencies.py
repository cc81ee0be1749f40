#!/usr/bin/env python3
"""Fails if a dependency comes from elsewhere than crates.io, has a licence that is not on the list, is banned, or is in the
tree in two versions without a reason. Reads Cargo.lock through `cargo metadata`; an entry of the lists below that no longer
applies fails as well.

cargo-deny does more, but takes several minutes to build on two cores, and its database of advisories is not to be had
everywhere. Where it is at hand: `cargo deny check advisories`.
"""

import collections
import json
import re
import subprocess
import sys

CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"

# Each lets a program with it be shipped under this project's own licence.
LICENCES = {"MIT", "Apache-2.0", "BSD-3-Clause", "ISC", "Unicode-3.0", "Zlib"}
LICENCES_OF = {
    "webpki-roots": "CDLA-Permissive-2.0",  # data: the list of certificate authorities, of the tests' client
    "bitmaps": "MPL-2.0+",  # by glommio, unchanged: its own files stay under that licence
}

BANNED = {
    "openssl-sys": "TLS is rustls, without C",
    "native-tls": "TLS is rustls, without C",
    "log4rs": "the log is tracing",
    "chrono": "times are humantime's",
    "async-std": "there is one runtime",
}

# More versions than one: who still wants the older one.
DUPLICATES = {
    "ahash": "glommio",
    "base64": "jsonwebtoken",
    "fastrand": "glommio",
    "getrandom": "glommio and proptest",
    "rand_core": "signature, of jsonwebtoken",
    "socket2": "glommio",
    "syn": "macros that have not moved to 3",
    "webpki-roots": "its own 0.26, which only passes 1.0 on",
}


def allowed(expression, extra=None):
    """Whether the licences allow what an SPDX expression asks for. `/` is an old way to write OR, and WITH only permits more."""
    words = re.findall(r"[()]|[^\s()]+", expression.replace("/", " OR "))

    def alternatives(words):
        found = conditions(words)
        while words and words[0] == "OR":
            words.pop(0)
            found = conditions(words) or found
        return found

    def conditions(words):
        found = term(words)
        while words and words[0] == "AND":
            words.pop(0)
            found = term(words) and found
        return found

    def term(words):
        word = words.pop(0)
        if word == "(":
            found = alternatives(words)
            words.pop(0)
            return found
        if words and words[0] == "WITH":
            del words[:2]
        return word in LICENCES or word == extra

    return alternatives(words) and not words


def self_test():
    for expression, expected in [
        ("MIT", True),
        ("GPL-3.0", False),
        ("GPL-3.0 OR MIT", True),
        ("MIT/Apache-2.0", True),
        ("MIT AND GPL-3.0", False),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", True),
        ("(MIT OR Apache-2.0) AND GPL-3.0", False),
        ("Apache-2.0 WITH LLVM-exception OR GPL-3.0", True),
        ("MPL-2.0+", False),
    ]:
        assert allowed(expression) == expected, expression
    assert allowed("MPL-2.0+", "MPL-2.0+")


def main():
    self_test()
    # The server runs on Linux alone.
    platform = ["--filter-platform", "x86_64-unknown-linux-gnu"]
    command = ["cargo", "metadata", "--format-version", "1", "--locked", *platform]
    metadata = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    faults = []
    versions = collections.defaultdict(set)
    names = {package["name"] for package in metadata["packages"]}
    foreign = [package for package in metadata["packages"] if package["source"]]
    for package in foreign:
        name, licence = package["name"], package["license"]
        versions[name].add(package["version"])
        if package["source"] != CRATES_IO:
            faults.append(f"{name} comes from {package['source']}")
        if not licence or not allowed(licence, LICENCES_OF.get(name)):
            faults.append(f"{name} {package['version']} has the licence {licence}")
        if name in BANNED:
            faults.append(f"{name} is banned: {BANNED[name]}")
    several = {name for name, found in versions.items() if len(found) > 1}
    for name in sorted(several - DUPLICATES.keys()):
        faults.append(f"{name} is there in several versions: {', '.join(sorted(versions[name]))}")
    for name in sorted(DUPLICATES.keys() - several):
        faults.append(f"{name} has one version now: take it off the list of duplicates")
    for name in sorted(LICENCES_OF.keys() - names):
        faults.append(f"{name} is gone: take it off the list of licences")
    for fault in faults:
        print(f"dependencies.py: {fault}", file=sys.stderr)
    if faults:
        sys.exit(1)
    print(f"{len(foreign)} dependencies, {len(several)} in two versions, each with a reason; all licences are on the list")


main()
