#!/usr/bin/env python3
"""Takes the blocks of Python and JavaScript out of the documents.

usage: scripts/interop/blocks.py FOLDER ADDRESS

Writes each block as a file of its own into FOLDER, with ADDRESS in place of the server's usual one, and prints the names of
the files. Leaves out blocks that say that they are not run (tests/every_block_of_the_documents_holds).
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BLOCK = re.compile(r"^(?P<mark><!-- not run: .*\n)?```(?P<language>python|js)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
ENDINGS = {"python": "py", "js": "mjs"}


def main():
    folder, address = pathlib.Path(sys.argv[1]), sys.argv[2]
    for document in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]):
        for number, block in enumerate(BLOCK.finditer(document.read_text()), 1):
            if block["mark"]:
                continue
            file = folder / f"{document.stem}-{number}.{ENDINGS[block['language']]}"
            file.write_text(block["text"].replace("ws://127.0.0.1:3536", address))
            print(file)


main()
