"""Download: find the place on disk that a user's name stands for, and fetch what is not there yet.

    locate.py       the door: a name or a path -> the place on disk
    official.py     OpenAI's four models: their names, sources and files
    places.py       where official models lie on this machine
    fetch.py        an official model: found, or fetched from the first source that has it
    revisions.py    an official model at another revision of the hub, such as gpt2@main
    __main__.py     the command: python -m gptlite.download gpt2

One file on its way from its address to its place:

    fetching.py     the whole way
    partial.py      the bytes received so far
    web.py          requests to a server, and when to repeat them
    digests.py      checksums

Names become canonical at the door and in the command; every other room is given canonical names.
This folder only finds the place: the files there are read in gptlite/checkpoints/.
"""

from gptlite.download.fetch import fetch_tokenizer
from gptlite.download.locate import locate, locate_vocabulary

__all__ = ["fetch_tokenizer", "locate", "locate_vocabulary"]
