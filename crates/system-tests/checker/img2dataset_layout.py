"""The layout of img2dataset 1.47: a table of metadata and a file of statistics beside each shard.

Written from its `downloader.py`, `writer.py` and `logger.py`, as it writes with `--compute_hash sha256`.
"""

import json
import os

import pyarrow

import options as kinds
import tables

RESERVED = "key caption url width height original_width original_height status error_message exif md5 sha256 sha512"
TEXT, NUMBER = pyarrow.string(), pyarrow.int32()
AFTER_URL = [("key", TEXT), ("status", TEXT), ("error_message", TEXT), ("width", NUMBER), ("height", NUMBER)]
AFTER_URL += [("original_width", NUMBER), ("original_height", NUMBER), ("exif", TEXT), ("sha256", TEXT)]
NO_DOWNLOAD, NO_RESIZE = "failed_to_download", "failed_to_resize"
OF_THE_IMAGE = {"decode", "not_an_image", "filtered"}


def status(row):
    """What img2dataset calls what became of an image."""
    if row["status"] == "ok":
        return "success"
    fetched = row["error_class"] == "too_large" and row["original_bytes"] is not None
    return NO_RESIZE if fetched or row["error_class"] in OF_THE_IMAGE else NO_DOWNLOAD


def wanted(ledger, row, options, chunk_size, has_captions):
    """The metadata that an image must have; what Ream may say in its own words is left out."""
    names = options.renamed(RESERVED.split() + [options.extension])
    meta = {name: row[own] for (_, own), (_, name) in zip(kept_in_ledger(options), names)}
    if has_captions:
        meta["caption"] = row["caption"]
    meta |= {"url": row["url"], "key": options.key(ledger.chunk, row, chunk_size), "status": status(row)}
    good = row["status"] == "ok"
    for column in ("width", "height", "original_width", "original_height"):
        meta[column] = row[column] if good else None
    return meta | {"sha256": row["original_sha256"] if good else None}


def kept_in_ledger(options):
    """The kept columns with their names in the ledger."""
    return options.renamed(kinds.LEDGER)


def check(faults, root, ledger, options, chunk_size, has_captions):
    """Table and statistics of a chunk; gives the metadata by key, for the sidecars."""
    stem = f"{ledger.chunk.index:05}"
    table = tables.read(faults, root, f"{stem}.parquet")
    if table is None:
        return {}
    check_schema(faults, stem, table, options, has_captions)
    rows = table.drop_columns(tables.binary_columns(table)).to_pylist()
    if len(rows) != len(ledger.rows):
        faults.add("lost-row", f"{stem}.parquet has {len(rows)} rows, the ledger {len(ledger.rows)}")
    for row, own in zip(ledger.rows, rows):
        where = f"image {row['image']} in {stem}.parquet"
        for key, value in wanted(ledger, row, options, chunk_size, has_captions).items():
            if own.get(key) != value:
                faults.add("wrong-row", f"{where} has {key} {own.get(key)!r}, not {value!r}")
        if (own.get("error_message") is None) != (row["status"] == "ok"):
            faults.add("wrong-row", f"{where} is {row['status']} with the message {own.get('error_message')!r}")
    check_stats(faults, root, stem, rows)
    return {row.get("key"): row for row in rows}


def check_schema(faults, stem, table, options, has_captions):
    """Names, order and types of the columns."""
    names = [name for _, name in options.renamed(RESERVED.split() + [options.extension])]
    names += ["caption"] * has_captions + ["url"] + [name for name, _ in AFTER_URL]
    names += [options.extension] * (options.format == "parquet")
    if table.column_names != names:
        faults.add("wrong-row", f"{stem}.parquet has the columns {table.column_names}, not {names}")
    for name, kind in AFTER_URL:
        if name in table.column_names and table.schema.field(name).type != kind:
            faults.add("wrong-row", f"{name} in {stem}.parquet is {table.schema.field(name).type}, not {kind}")


def check_stats(faults, root, stem, rows):
    """The statistics are the sums of the table."""
    try:
        with open(os.path.join(root, f"{stem}_stats.json"), encoding="utf-8") as file:
            stats = json.load(file)
    except (OSError, ValueError) as error:
        return faults.add("stats", f"{stem}_stats.json cannot be read: {error}")
    count = lambda name: sum(row.get("status") == name for row in rows)
    messages = {}
    for row in rows:
        name = row.get("error_message") or "success"
        messages[name] = messages.get(name, 0) + 1
    sums = {"count": len(rows), "successes": count("success"), "status_dict": messages}
    sums |= {NO_DOWNLOAD: count(NO_DOWNLOAD), NO_RESIZE: count(NO_RESIZE)}
    for key, value in sums.items():
        if stats.get(key) != value:
            faults.add("stats", f"{stem}_stats.json has {key} {stats.get(key)!r}, the table says {value!r}")
    times = [stats.get(key) for key in ("start_time", "end_time", "duration")]
    if not all(isinstance(time, float) for time in times) or abs(times[1] - times[0] - times[2]) > 0.01:
        faults.add("stats", f"{stem}_stats.json has start, end and duration {times}")
    return None


def images(faults, root, ledger, options, chunk_size):
    """The stored images of a chunk whose shard is a table."""
    name = options.shard(ledger.chunk)
    table = tables.read(faults, root, name)
    if table is None or options.extension not in table.column_names or "key" not in table.column_names:
        return
    data = dict(zip(table["key"].to_pylist(), table[options.extension].to_pylist()))
    for row in ledger.rows:
        where, own = f"image {row['image']} in {name}", data.get(options.key(ledger.chunk, row, chunk_size))
        if row["status"] == "ok" and own is None:
            faults.add("missing-file", f"{where} is missing")
        elif row["status"] == "ok":
            yield where, row, own
        elif own is not None:
            faults.add("extra-file", f"{where} failed, but has bytes")


def check_sidecars(faults, where, key, meta, row, files, has_captions):
    """The `.json` and `.txt` beside an image; `files` are the sidecars by extension."""
    caption = files.get("txt")
    if has_captions and caption is not None and caption != (row["caption"] or "").encode():
        faults.add("wrong-bytes", f"{key}.txt in {where} is not the caption")
    if "json" not in files:
        return
    try:
        own = json.loads(files["json"])
    except ValueError as error:
        faults.add("wrong-bytes", f"{key}.json in {where} is no JSON: {error}")
        return
    if own != meta.get(key):
        faults.add("wrong-bytes", f"{key}.json in {where} is not the row of the table: {own} {meta.get(key)}")
