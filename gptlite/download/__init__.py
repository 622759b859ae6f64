"""Download: from the name that a user gives to a place on disk, fetching what is not there yet.

locate.py        a name or path -> the place on disk
official.py      OpenAI's four models: their names, sources and files
places.py        where official models lie on this machine
fetch.py         an official model: found, or fetched from the first source that has it
revisions.py     the same at another revision of the hub, such as gpt2@main
fetching.py      one file from its address to its place, with web.py, part.py, lock.py and
                 digests.py
__main__.py      the command: python -m gptlite.download gpt2
"""

from gptlite.download.fetch import fetch_tokenizer
from gptlite.download.locate import locate, locate_vocabulary

__all__ = ["fetch_tokenizer", "locate", "locate_vocabulary"]
