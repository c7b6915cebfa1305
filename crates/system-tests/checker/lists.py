"""Reads an image list by its own rules: which rows are accepted, in which order."""

import csv
import re
import typing

# Accepted are absolute http and https URLs with a host, and without a user name.
URL = re.compile(r"https?://[^\s/?#@]+(?:[/?#].*)?", re.IGNORECASE)
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
BLANKS = " \t\n\x0c\r"


class Row(typing.NamedTuple):
    """An accepted row; its place in the list of rows is its image number."""

    url: str
    caption: str | None
    line: int
    kept: tuple


def read(path, keep_cols=()):
    """The accepted rows, and how many rows were not."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        raw = list(csv_rows(file, keep_cols) if path.endswith(".csv") else txt_rows(file))
    rows = [Row(url.strip(BLANKS), *rest) for url, *rest in raw if is_url(url)]
    return rows, len(raw) - len(rows)


def has_captions(path):
    """Whether the list has a column of captions."""
    if not path.endswith(".csv"):
        return False
    with open(path, encoding="utf-8-sig", newline="") as file:
        return "caption" in [name.strip() for name in next(csv.reader(file))]


def is_url(text):
    """Whether a row with this text is accepted. None stands for a row that cannot be read."""
    text = (text or "").strip(BLANKS)
    return bool(URL.fullmatch(text)) and not CONTROL.search(text)


def txt_rows(file):
    """One URL per line; blank lines are no rows."""
    for number, line in enumerate(file, 1):
        if line.strip(BLANKS):
            yield line, None, number, ()


def csv_rows(file, keep_cols):
    """A header, then one row per record, which may span lines; a record of another length is a bad row."""
    reader = csv.reader(file, strict=True)
    header = [name.strip() for name in next(reader)]
    url, caption = header.index("url"), header.index("caption") if "caption" in header else None
    kept = [header.index(name) for name in keep_cols]
    before = reader.line_num
    for record in reader:
        line, before = before + 1, reader.line_num
        if not record:
            continue
        if len(record) != len(header):
            yield None, None, line, ()
            continue
        text = record[caption] if caption is not None else ""
        yield record[url], text if text.strip() else None, line, tuple(record[at] or None for at in kept)
