"""Tests the checker: breaks a good dataset in many ways, and sees that each is found and named.

Without arguments it makes small datasets of its own, in all formats and layouts. With the arguments of
`check_dataset.py` it breaks copies of a real one.
"""

import argparse
import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile

import PIL.Image
import pyarrow
import pyarrow.parquet

import check_dataset
import ending
import fixture
import options as kinds
import tables


def faults(dataset, root=None):
    """The faults of a dataset, or of a copy of it."""
    return check_dataset.check(dataset._replace(root=root or dataset.root))[0]


def ledgers(root):
    """The paths of all ledgers, in order."""
    inside = os.path.join(root, "_ledger")
    folder = inside if os.path.isdir(inside) else root
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(".ledger.parquet")]


def summary(root):
    """The path of `dataset.json`."""
    inside = os.path.join(root, "_ledger", "dataset.json")
    return inside if os.path.exists(inside) else os.path.join(root, "dataset.json")


def shards(root):
    """The paths of all shards that are tables, in order."""
    return [os.path.join(root, name) for name in sorted(os.listdir(root)) if name[5:] == ".parquet"]


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


def set_first(column, value, paths=ledgers, status="ok"):
    """A change that sets a column of the first row of this status; `value` makes the new one from the row."""

    def change(rows):
        row = next(row for row in rows if status in (None, row.get("status")))
        row[column] = value(row)
        return rows

    return lambda root: rewrite(paths(root)[0], change)


def set_bytes(value):
    """A change that sets the bytes of the first stored image of a table."""

    def damage(root):
        name = tables.binary_columns(pyarrow.parquet.read_table(shards(root)[0]))[0]

        def change(rows):
            row = next(row for row in rows if row[name] is not None)
            row[name] = value(row[name])
            return rows

        rewrite(shards(root)[0], change)

    return damage


def in_stats(root, change):
    """Changes the first shard's statistics."""
    name = sorted(name for name in os.listdir(root) if name.endswith("_stats.json"))[0]
    in_file(os.path.join(root, name), change)


def replace_image(change):
    """A change that stores another image instead of the first: in the folder, and in the ledger as if it were right."""

    def damage(root):
        row = first_stored(ledgers(root)[0])
        path = os.path.join(root, row["file"])
        with PIL.Image.open(path) as image:
            change(image).save(path, image.format, quality=90)
        with open(path, "rb") as file:
            data = file.read()
        with PIL.Image.open(path) as image:
            facts = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            facts |= {"width": image.size[0], "height": image.size[1]}

        def update(rows):
            next(other for other in rows if other["image"] == row["image"]).update(facts)
            return rows

        rewrite(ledgers(root)[0], update)

    return damage


def flip(path, at):
    """Inverts one byte."""
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0] ^ 0xFF
        file.seek(at)
        file.write(bytes([byte]))


def in_json(root, change):
    """Changes `dataset.json`."""
    in_file(summary(root), change)


def in_file(path, change):
    """Changes a file of JSON."""
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
    ("another kept value", "wrong-row", set_first("license", lambda row: "all mine")),
    ("another original hash", "wrong-bytes", set_first("original_sha256", lambda row: "0" * 64)),
    ("no number of tries", "wrong-row", set_first("tries", lambda row: None)),
    ("another hash in the ledger", "wrong-bytes", set_first("sha256", lambda row: "0" * 64)),
    ("missing ledger", "missing-chunk", lambda r: os.remove(ledgers(r)[-1])),
    ("torn ledger", "missing-chunk", lambda r: cut(ledgers(r)[-1], 20)),
    ("ledger of no chunk", "extra-file", lambda r: shutil.copy(ledgers(r)[0], f"{r}/99999.ledger.parquet")),
    ("leftover staging", "staging-left", lambda r: write(r, "_staging/1-1/00000.tar")),
    ("extra file at the top", "extra-file", lambda r: write(r, "notes.txt")),
    ("half-written state", "extra-file", lambda r: write(r, "_ream/crawl.json.unfinished")),
    ("wrong summary", "summary", lambda r: in_json(r, lambda s: s.update(images_ok=s["images_ok"] + 1))),
    ("shard missing in the summary", "summary", lambda r: in_json(r, lambda s: s["shards"].pop())),
    ("wrong file in the summary", "summary", lambda r: in_json(r, lambda s: s["shards"][0]["files"].append("x"))),
    ("missing summary", "summary", lambda r: os.remove(summary(r))),
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
    ("file of another format", "wrong-number wrong-format wrong-bytes", set_first("format", lambda row: "tiff")),
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
TABLES = [
    ("missing table", "missing-chunk", lambda r: os.remove(shards(r)[-1])),
    ("torn table", "missing-chunk", lambda r: cut(shards(r)[0], 20)),
    ("flipped byte", "wrong-bytes", set_bytes(lambda data: bytes([data[0] ^ 0xFF]) + data[1:])),
    ("bytes cut short", "wrong-bytes", set_bytes(lambda data: data[:-1])),
    ("missing bytes", "missing-file", set_bytes(lambda data: None)),
]
OUR_TABLES = [
    ("missing row", "missing-file", lambda r: rewrite(shards(r)[0], lambda rows: rows[1:])),
    ("doubled row", "doubled-row", lambda r: rewrite(shards(r)[0], lambda rows: rows[:1] + rows)),
    ("another caption in the table", "wrong-row", set_first("caption", lambda row: "not this", shards, None)),
    ("rows out of order", "order", lambda r: rewrite(shards(r)[0], lambda rows: rows[::-1])),
]
THEIRS = [
    ("missing metadata", "missing-chunk", lambda r: os.remove(shards(r)[0])),
    ("lost row of metadata", "lost-row", lambda r: rewrite(shards(r)[0], lambda rows: rows[1:])),
    ("another key", "wrong-row", set_first("key", lambda row: "123", shards, "success")),
    ("another status", "wrong-row", set_first("status", lambda row: "failed_to_resize", shards, "success")),
    ("another original width", "wrong-row", set_first("original_width", lambda row: 1, shards, "success")),
    ("another kept value in the metadata", "wrong-row", set_first("license", lambda row: "no", shards, "success")),
    ("wrong count", "stats", lambda r: in_stats(r, lambda s: s.update(successes=s["successes"] + 1))),
    ("wrong messages", "stats", lambda r: in_stats(r, lambda s: s["status_dict"].update(other=1))),
    ("missing statistics", "stats", lambda r: os.remove(f"{r}/00000_stats.json")),
    ("summary among the statistics", "extra-file", lambda r: write(r, "dataset.json", b"{}")),
]
RESIZED = [
    ("other pixels", "wrong-pixels", replace_image(lambda image: image.point(lambda value: 255 - value))),
    ("other size", "wrong-size", replace_image(lambda image: image.resize((image.size[0] + 2, image.size[1])))),
    ("no image", "not-decodable", lambda r: write(r, first_stored(ledgers(r)[0])["file"])),
    ("other format", "wrong-format", set_first("format", lambda row: "png")),
    ("other original size", "wrong-size", set_first("original_width", lambda row: row["original_width"] + 1)),
]
# These need a column of the name `license`.
KEPT = {"another kept value", "another kept value in the metadata"}


def ways_for(options):
    """What can be broken in a dataset of this kind."""
    ways = ANY + {"files": FILES, "webdataset": TARS, "parquet": TABLES}[options.format]
    ways = ways + (THEIRS if options.img2dataset else OUR_TABLES if options.format == "parquet" else [])
    if options.transforms and options.format == "files" and not options.img2dataset:
        ways = ways + RESIZED
    return [way for way in ways if way[0] not in KEPT or "license" in options.keep_cols]


def break_it(dataset, folder):
    """Breaks copies of a good dataset in every way; gives the number of ways, and those that went unnoticed."""
    name = os.path.basename(dataset.root)
    found = faults(dataset)
    if found.found:
        return 0, [f"{name}: the good dataset has faults: {found.found[:5]}"]
    unnoticed, ways = [], ways_for(dataset.options)
    for what, wanted, damage in ways:
        copy = os.path.join(folder, "broken")
        shutil.copytree(dataset.root, copy)
        damage(copy)
        found = faults(dataset, copy).kinds()
        if not found & set(wanted.split()):
            unnoticed.append(f"{name}: {what}: wanted {wanted}, found {sorted(found)}")
        shutil.rmtree(copy)
    return len(ways), unnoticed


def main():
    """Breaks a given dataset, or its own."""
    parser = argparse.ArgumentParser(description="Tests the checker on broken datasets.")
    kinds.add_arguments(parser, required=False)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        datasets = [kinds.dataset(args)] if args.dataset else [fixture.make(folder, kind) for kind in fixture.ALL]
        tried, unnoticed = 0, []
        for dataset in datasets:
            ways, missed = break_it(dataset, folder)
            tried, unnoticed = tried + ways, unnoticed + missed
    for line in unnoticed:
        print(f"UNNOTICED {line}")
    print(f"{tried} kinds of damage, {len(unnoticed)} went unnoticed")
    return 1 if unnoticed or not tried else 0


if __name__ == "__main__":
    ending.leave(main())
