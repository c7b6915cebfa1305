"""Reads what chunks left behind: ledgers, folders of files, tars."""

import collections
import hashlib
import json
import os
import re
import tarfile
import typing

import pyarrow.parquet

BLOCK = 512
EXTENSIONS = "jpg png gif webp bmp tiff svg avif heic jxl ico".split()
IMAGE_NAME = re.compile(rf"(\d{{9,}})\.({'|'.join(EXTENSIONS)})")


class Ledger(typing.NamedTuple):
    """A chunk's ledger, row by row."""

    name: str
    chunk: object
    rows: list


def names(output_format, chunk):
    """What a chunk has in the dataset's folder."""
    stem = f"{chunk.index:05}"
    return [stem if output_format == "files" else f"{stem}.tar", f"{stem}.ledger.parquet"]


def read_ledger(faults, dataset, chunk):
    """The ledger of a chunk, or None with a fault; its own numbers must be those of the chunk."""
    name = f"{chunk.index:05}.ledger.parquet"
    path = os.path.join(dataset, name)
    if not os.path.exists(path):
        return faults.add("missing-chunk", f"{name} is missing")
    try:
        table = pyarrow.parquet.read_table(path)
    except (OSError, ValueError) as error:
        return faults.add("missing-chunk", f"{name} cannot be read: {error}")
    rows = table.to_pylist()
    numbers = [row["image"] for row in rows]
    if numbers != list(range(chunk.first, chunk.last + 1)):
        faults.add("wrong-number", f"{name} does not hold the images {chunk.first} to {chunk.last} one by one")
    check_outcome(faults, name, chunk, rows)
    return Ledger(name, chunk, rows)


def check_outcome(faults, name, chunk, rows):
    """What the chunk reported to the database is what its ledger says."""
    outcome = chunk.outcome or {}
    good = [row for row in rows if row["status"] == "ok"]
    failed = collections.Counter(row["error_class"] for row in rows if row["status"] != "ok")
    said = (outcome.get("images_ok"), outcome.get("images_failed", {}), outcome.get("bytes", 0))
    wanted = (len(good), dict(failed), sum(row["bytes"] or 0 for row in good))
    if said != wanted:
        faults.add("outcome", f"{name} says ok, failed and bytes {wanted}, the database {said}")


def check_somewhere(faults, dataset, chunk):
    """Each output of a completed chunk is published or still staged, and a published one is published."""
    for staged in (chunk.outcome or {}).get("outputs", []):
        final = staged.split("/", 2)[2]
        published = os.path.exists(os.path.join(dataset, final))
        if not published and (not chunk.unpublished or not os.path.exists(os.path.join(dataset, staged))):
            faults.add("missing-chunk", f"{final} of completed chunk {chunk.index} is nowhere")


def check(faults, dataset, output_format, ledger, rows):
    """The stored images are exactly those of the ledger, byte for byte."""
    if output_format == "files":
        check_folder(faults, dataset, ledger)
    else:
        check_tar(faults, dataset, ledger, rows)


def check_image(faults, where, row, data):
    """A stored image against its ledger row."""
    if hashlib.sha256(data).hexdigest() != row["sha256"]:
        faults.add("wrong-bytes", f"{where} does not have the hash of its ledger row")
    if len(data) != row["bytes"]:
        faults.add("wrong-bytes", f"{where} has {len(data)} bytes, its ledger row says {row['bytes']}")


def check_name(faults, where, row, name):
    """A stored image is named after its number and its format."""
    match = IMAGE_NAME.fullmatch(name)
    if match is None or match[1] != f"{row['image']:09}" or match[2] != row["format"]:
        faults.add("wrong-number", f"{where} is the file of image {row['image']}, format {row['format']}")


def check_folder(faults, dataset, ledger):
    """A folder of files: every file once, no other."""
    stem = f"{ledger.chunk.index:05}"
    folder = os.path.join(dataset, stem)
    if not os.path.isdir(folder):
        return faults.add("missing-chunk", f"the folder {stem} is missing")
    left = set(os.listdir(folder))
    for row in ledger.rows:
        if row["status"] != "ok" or row["file"] is None:
            continue
        where = row["file"]
        parent, _, name = where.rpartition("/")
        if parent != stem or name not in left:
            # A file is taken from `left` by the first row that names it.
            twice = parent == stem and os.path.exists(os.path.join(folder, name))
            kind, what = ("doubled-row", "belongs to two rows") if twice else ("missing-file", "is missing")
            faults.add(kind, f"{where} of image {row['image']} {what}")
            continue
        left.remove(name)
        check_name(faults, where, row, name)
        with open(os.path.join(folder, name), "rb") as file:
            check_image(faults, where, row, file.read())
    for name in sorted(left):
        faults.add("extra-file", f"{stem}/{name} has no ledger row")
    return None


def check_tar(faults, dataset, ledger, rows):
    """A tar: image, metadata and caption of each image in order, and a proper end."""
    name = f"{ledger.chunk.index:05}.tar"
    path = os.path.join(dataset, name)
    if not os.path.exists(path):
        return faults.add("missing-chunk", f"{name} is missing")
    members, whole = read_tar(faults, path, name)
    found = [member for member, _ in members]
    for member, count in collections.Counter(found).items():
        if count > 1:
            faults.add("doubled-row", f"{name} holds {member} {count} times")
    wanted, images = [], {}
    for row in ledger.rows:
        if row["status"] == "ok" and row["file"] is not None:
            stem = row["file"].rpartition(".")[0]
            images[row["file"]] = row
            wanted += [row["file"], f"{stem}.json"] + ([f"{stem}.txt"] if row["caption"] is not None else [])
            check_name(faults, f"{row['file']} in {name}", row, row["file"])
    for member in sorted(set(wanted) - set(found)):
        faults.add("missing-file", f"{member} is not in {name}")
    for member in sorted(set(found) - set(wanted)):
        faults.add("extra-file", f"{member} in {name} has no ledger row")
    if whole and sorted(found) == sorted(wanted) and found != wanted:
        faults.add("order", f"the members of {name} are out of order")
    data = dict(members)
    for member, row in images.items():
        if member in data:
            check_image(faults, f"{member} in {name}", row, data[member])
            check_sidecars(faults, name, row, data)
    return None


def check_sidecars(faults, name, row, data):
    """Metadata and caption beside an image."""
    stem = row["file"].rpartition(".")[0]
    if f"{stem}.txt" in data and data[f"{stem}.txt"] != (row["caption"] or "").encode():
        faults.add("wrong-bytes", f"{stem}.txt in {name} is not the caption")
    if f"{stem}.json" in data:
        try:
            meta = json.loads(data[f"{stem}.json"])
        except ValueError as error:
            return faults.add("wrong-bytes", f"{stem}.json in {name} is no JSON: {error}")
        for key in ("image", "url", "caption", "width", "height", "format", "sha256"):
            if meta.get(key) != row[key]:
                faults.add("wrong-bytes", f"{stem}.json in {name} has {key} {meta.get(key)!r}, not {row[key]!r}")
    return None


def read_tar(faults, path, name):
    """The members of a tar with their bytes, and whether it ends as a tar must: tarfile alone forgives too much."""
    members, end, size = [], 0, os.path.getsize(path)
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                if not member.isreg():
                    faults.add("extra-file", f"{member.name} in {name} is no regular file")
                    continue
                data = tar.extractfile(member).read()
                if len(data) != member.size:
                    faults.add("torn-tar", f"{name} ends within {member.name}")
                members.append((member.name, data))
                end = member.offset_data + -(-member.size // BLOCK) * BLOCK
    except (tarfile.TarError, OSError, EOFError) as error:
        faults.add("torn-tar", f"{name} cannot be read to its end: {error}")
        return members, False
    with open(path, "rb") as file:
        file.seek(end)
        tail = file.read()
    if size < end or len(tail) < 2 * BLOCK or len(tail) % BLOCK or any(tail):
        faults.add("torn-tar", f"{name} does not end with two empty blocks after its last member")
        return members, False
    return members, True
