"""Shards that are tables: an image per row, its bytes in a column."""

import os

import pyarrow
import pyarrow.parquet


def read(faults, root, name):
    """A Parquet file as a table, or None with a fault."""
    path = os.path.join(root, name)
    if not os.path.exists(path):
        return faults.add("missing-chunk", f"{name} is missing")
    try:
        return pyarrow.parquet.read_table(path)
    except (OSError, ValueError) as error:
        return faults.add("missing-chunk", f"{name} cannot be read: {error}")


def binary_columns(table):
    """The names of columns that hold bytes."""
    kinds = (pyarrow.types.is_binary, pyarrow.types.is_large_binary)
    return [field.name for field in table.schema if any(kind(field.type) for kind in kinds)]


def images(faults, root, ledger, options):
    """The stored images of Ream's own tables, by row; what the table repeats of the ledger must be the same."""
    name = options.shard(ledger.chunk)
    table = read(faults, root, name)
    if table is None:
        return
    columns = binary_columns(table)
    if len(columns) != 1 or "image" not in table.column_names:
        faults.add("wrong-row", f"{name} has the columns {table.column_names}, not one of bytes and `image`")
        return
    found, rows = {}, table.to_pylist()
    if [row["image"] for row in rows] != sorted(row["image"] for row in rows):
        faults.add("order", f"the rows of {name} are out of order")
    for row in rows:
        if row["image"] in found:
            faults.add("doubled-row", f"{name} holds image {row['image']} twice")
        found[row["image"]] = row
    for row in ledger.rows:
        stored = found.pop(row["image"], None)
        where = f"image {row['image']} in {name}"
        data = stored and stored[columns[0]]
        if stored is not None:
            for key in (set(stored) & set(row)) - {columns[0]}:
                if stored[key] != row[key]:
                    faults.add("wrong-row", f"{where} has {key} {stored[key]!r}, its ledger row {row[key]!r}")
        if row["status"] == "ok":
            if data is None:
                faults.add("missing-file", f"{where} is missing")
            else:
                yield where, row, data
        elif data is not None:
            faults.add("extra-file", f"{where} failed, but has bytes")
    for image in sorted(found):
        faults.add("extra-file", f"image {image} in {name} has no ledger row")
