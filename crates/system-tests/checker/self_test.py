"""Tests the checker: breaks a good dataset in many ways, and sees that each is found and named.

Without arguments it makes small datasets of its own, in both formats. With `--list`, `--dataset`, `--format`,
`--served` and `--expected`, as for `check_dataset.py`, it breaks copies of a real one.
"""

import argparse
import io
import json
import os
import shutil
import sqlite3
import sys
import tarfile
import tempfile
import typing

import pyarrow
import pyarrow.parquet

import check_dataset
import fixture


class Dataset(typing.NamedTuple):
    """Where a dataset lies and what it is checked against."""

    root: str
    format: str
    list_path: str
    served: dict
    expected: dict

    def check(self, root=None):
        """The faults of this dataset, or of a copy of it."""
        served = check_dataset.Served(self.served)
        return check_dataset.check(root or self.root, self.list_path, self.format, served, self.expected)[0]


def ledgers(root):
    """The paths of all ledgers, in order."""
    return [os.path.join(root, name) for name in sorted(os.listdir(root)) if name.endswith(".ledger.parquet")]


def rewrite(path, change):
    """Passes a ledger's rows through `change`."""
    table = pyarrow.parquet.read_table(path)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(change(table.to_pylist()), schema=table.schema), path)


def tars(root):
    """The paths of all tars, in order."""
    return [os.path.join(root, name) for name in sorted(os.listdir(root)) if name.endswith(".tar")]


def retar(path, change):
    """Passes a tar's members through `change`."""
    with tarfile.open(path) as tar:
        members = [(member.name, tar.extractfile(member).read()) for member in tar]
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in change(members):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def tear(path):
    """Leaves half of a tar's end mark."""
    with tarfile.open(path) as tar:
        last = tar.getmembers()[-1]
    os.truncate(path, last.offset_data + -(-last.size // 512) * 512 + 512)


def sql(root, statement):
    """Changes the database behind everybody's back."""
    connection = sqlite3.connect(os.path.join(root, "_ream", "ream.db"), isolation_level=None)
    connection.execute("PRAGMA ignore_check_constraints = ON")
    connection.execute(statement)
    connection.close()


def tear_database(root):
    """Damages the first page, once no log has a newer one."""
    sql(root, "PRAGMA wal_checkpoint(TRUNCATE)")
    flip(os.path.join(root, "_ream", "ream.db"), 100)


def first_stored(path):
    """The first ok row of a ledger."""
    return next(row for row in pyarrow.parquet.read_table(path).to_pylist() if row["status"] == "ok")


def set_first(column, value):
    """A change that sets a column of the first ok row; `value` makes the new one from the row."""

    def change(rows):
        row = next(row for row in rows if row["status"] == "ok")
        row[column] = value(row)
        return rows

    return lambda root: rewrite(ledgers(root)[0], change)


def flip(path, at):
    """Inverts one byte."""
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0] ^ 0xFF
        file.seek(at)
        file.write(bytes([byte]))


def in_json(root, change):
    """Changes `dataset.json`."""
    path = os.path.join(root, "dataset.json")
    with open(path, encoding="utf-8") as file:
        summary = json.load(file)
    change(summary)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(summary, file)


def write(root, name, data=b"left behind"):
    """Puts a file where it does not belong."""
    path = os.path.join(root, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def cut(path, count):
    """Takes bytes off a file's end."""
    os.truncate(path, os.path.getsize(path) - count)


CHUNK, FIRST = "UPDATE job_chunks", "WHERE first_image = 0"

# Name of the damage, the kind of fault that must be named, and how it is done.
ANY = [
    ("doubled ledger row", "doubled-row", lambda r: rewrite(ledgers(r)[0], lambda rows: rows[:2] + rows[1:])),
    ("lost ledger row", "lost-row", lambda r: rewrite(ledgers(r)[0], lambda rows: rows[:1] + rows[2:])),
    ("rows out of order", "order", lambda r: rewrite(ledgers(r)[0], lambda rows: [rows[1], rows[0]] + rows[2:])),
    ("number beyond the list", "wrong-number", set_first("image", lambda row: row["image"] + 10**9)),
    ("another URL", "wrong-row", set_first("url", lambda row: row["url"] + "?")),
    ("another caption", "wrong-row", set_first("caption", lambda row: "not this")),
    ("another hash in the ledger", "wrong-bytes", set_first("sha256", lambda row: "0" * 64)),
    ("missing ledger", "missing-chunk", lambda r: os.remove(ledgers(r)[-1])),
    ("torn ledger", "missing-chunk", lambda r: cut(ledgers(r)[-1], 20)),
    ("ledger of no chunk", "extra-file", lambda r: shutil.copy(ledgers(r)[0], f"{r}/99999.ledger.parquet")),
    ("leftover staging", "staging-left", lambda r: write(r, "_staging/1-1/00000.tar")),
    ("extra file at the top", "extra-file", lambda r: write(r, "notes.txt")),
    ("half-written state", "extra-file", lambda r: write(r, "_ream/crawl.json.unfinished")),
    ("wrong summary", "summary", lambda r: in_json(r, lambda s: s.update(images_ok=s["images_ok"] + 1))),
    ("missing summary", "summary", lambda r: os.remove(f"{r}/dataset.json")),
    ("chunk not completed", "not-completed", lambda r: sql(r, f"{CHUNK} SET status = 'pending' {FIRST}")),
    ("unpublished chunk", "unpublished", lambda r: sql(r, f"{CHUNK} SET unpublished = 1 {FIRST}")),
    ("gap between chunks", "cover", lambda r: sql(r, f"{CHUNK} SET first_image = 1 {FIRST}")),
    ("chunk gone from the database", "cover", lambda r: sql(r, f"DELETE FROM job_chunks {FIRST}")),
    ("wrong counter", "counters", lambda r: sql(r, "UPDATE crawl_jobs SET completed_chunks = completed_chunks - 1")),
    ("missing database", "database", lambda r: os.remove(f"{r}/_ream/ream.db")),
    ("torn database", "database integrity", tear_database),
]
FILES = [
    ("missing file", "missing-file", lambda r: os.remove(f"{r}/{first_stored(ledgers(r)[0])['file']}")),
    ("flipped byte", "wrong-bytes", lambda r: flip(f"{r}/{first_stored(ledgers(r)[0])['file']}", 3)),
    ("file cut short", "wrong-bytes", lambda r: cut(f"{r}/{first_stored(ledgers(r)[0])['file']}", 1)),
    ("extra file in a folder", "extra-file", lambda r: write(r, "00000/999999999.jpg")),
    ("missing folder", "missing-chunk", lambda r: shutil.rmtree(f"{r}/00000")),
    ("file of another number", "wrong-number", set_first("format", lambda row: "tiff")),
]
TARS = [
    ("torn tar", "torn-tar", lambda r: tear(tars(r)[0])),
    ("tar without its second half", "torn-tar", lambda r: os.truncate(tars(r)[0], os.path.getsize(tars(r)[0]) // 2)),
    ("something after the end of a tar", "torn-tar", lambda r: open(tars(r)[0], "ab").write(b"more" * 128)),
    ("missing tar", "missing-chunk", lambda r: os.remove(tars(r)[-1])),
    ("missing member", "missing-file", lambda r: retar(tars(r)[0], lambda members: members[1:])),
    ("doubled member", "doubled-row", lambda r: retar(tars(r)[0], lambda members: members[:1] + members)),
    ("extra member", "extra-file", lambda r: retar(tars(r)[0], lambda members: members + [("999999999.jpg", b"")])),
    ("members out of order", "order", lambda r: retar(tars(r)[0], lambda members: members[::-1])),
    ("flipped byte", "wrong-bytes", lambda r: flip(tars(r)[0], 512 + 3)),
    ("flipped byte in a header", "torn-tar", lambda r: flip(tars(r)[0], 0)),
]


def break_it(dataset, folder):
    """Breaks copies of a good dataset in every way; gives the number of ways, and those that went unnoticed."""
    faults = dataset.check()
    if faults.found:
        return 0, [f"{dataset.format}: the good dataset has faults: {faults.found[:5]}"]
    unnoticed, ways = [], ANY + (FILES if dataset.format == "files" else TARS)
    for name, kinds, damage in ways:
        copy = os.path.join(folder, "broken")
        shutil.copytree(dataset.root, copy)
        damage(copy)
        found = dataset.check(copy).kinds()
        if not found & set(kinds.split()):
            unnoticed.append(f"{dataset.format}: {name}: wanted {kinds}, found {sorted(found)}")
        shutil.rmtree(copy)
    return len(ways), unnoticed


def main():
    """Breaks a given dataset, or its own."""
    parser = argparse.ArgumentParser(description="Tests the checker on broken datasets.")
    for name in ("list", "dataset", "format", "served", "expected"):
        parser.add_argument(f"--{name}")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if args.dataset:
            load = lambda path: json.load(open(path, encoding="utf-8"))
            datasets = [Dataset(args.dataset, args.format, args.list, load(args.served), load(args.expected))]
        else:
            datasets = [Dataset(*fixture.make(folder, name)) for name in ("files", "webdataset")]
        tried, unnoticed = 0, []
        for dataset in datasets:
            ways, missed = break_it(dataset, folder)
            tried, unnoticed = tried + ways, unnoticed + missed
    for line in unnoticed:
        print(f"UNNOTICED {line}")
    print(f"{tried} kinds of damage, {len(unnoticed)} went unnoticed")
    return 1 if unnoticed or not tried else 0


if __name__ == "__main__":
    sys.exit(main())
