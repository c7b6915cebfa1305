"""Reads what chunks left behind: ledgers, folders of files, tars."""

import collections
import hashlib
import json
import os
import re
import tarfile
import typing

import images
import img2dataset_layout
import tables

BLOCK = 512
EXTENSIONS = "jpg png gif webp bmp tiff svg avif heic jxl ico".split()
IMAGE_NAME = re.compile(rf"(\d{{9,}})\.({'|'.join(EXTENSIONS)})")


class Ledger(typing.NamedTuple):
    """A chunk's ledger, row by row."""

    name: str
    chunk: object
    rows: list


class Source(typing.NamedTuple):
    """What a dataset was made from, as far as shards have to know."""

    options: object
    chunk_size: int
    has_captions: bool
    # Gives the served file of a ledger row, or None if it is not known.
    served: object


def read_ledger(faults, dataset, chunk, options):
    """The ledger of a chunk, or None with a fault; its own numbers must be those of the chunk."""
    name = options.ledger(chunk)
    table = tables.read(faults, dataset, name)
    if table is None:
        return None
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


def check(faults, dataset, ledger, source):
    """The stored images are exactly those of the ledger, byte for byte."""
    options, meta = source.options, {}
    if options.img2dataset:
        arguments = (options, source.chunk_size, source.has_captions)
        meta = img2dataset_layout.check(faults, dataset, ledger, *arguments)
    if options.format == "files":
        found = check_folder(faults, dataset, ledger, source, meta)
    elif options.format == "webdataset":
        found = check_tar(faults, dataset, ledger, source, meta)
    elif options.img2dataset:
        found = img2dataset_layout.images(faults, dataset, ledger, options, source.chunk_size)
    else:
        found = tables.images(faults, dataset, ledger, options)
    for where, row, data in found:
        check_image(faults, where, row, data)
        images.check(faults, where, row, data, source.served(row), options)


def check_image(faults, where, row, data):
    """A stored image against its ledger row."""
    if hashlib.sha256(data).hexdigest() != row["sha256"]:
        faults.add("wrong-bytes", f"{where} does not have the hash of its ledger row")
    if len(data) != row["bytes"]:
        faults.add("wrong-bytes", f"{where} has {len(data)} bytes, its ledger row says {row['bytes']}")


def check_name(faults, where, row, name, chunk, source):
    """A stored image is named after its number and its format, or has img2dataset's key."""
    options = source.options
    if options.img2dataset:
        if name != f"{options.key(chunk, row, source.chunk_size)}.{options.extension}":
            faults.add("wrong-number", f"{where} is the file of image {row['image']}")
        return
    match = IMAGE_NAME.fullmatch(name)
    if match is None or match[1] != f"{row['image']:09}" or match[2] != row["format"]:
        faults.add("wrong-number", f"{where} is the file of image {row['image']}, format {row['format']}")


def check_folder(faults, dataset, ledger, source, meta):
    """A folder of files: every file once, no other."""
    stem = f"{ledger.chunk.index:05}"
    folder = os.path.join(dataset, stem)
    if not os.path.isdir(folder):
        faults.add("missing-chunk", f"the folder {stem} is missing")
        return
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
        check_name(faults, where, row, name, ledger.chunk, source)
        if source.options.img2dataset:
            key, files = name.rpartition(".")[0], {}
            for extension in ["json"] + ["txt"] * source.has_captions:
                sidecar = f"{key}.{extension}"
                if sidecar not in left:
                    faults.add("missing-file", f"{stem}/{sidecar} is missing")
                    continue
                left.remove(sidecar)
                with open(os.path.join(folder, sidecar), "rb") as file:
                    files[extension] = file.read()
            img2dataset_layout.check_sidecars(faults, stem, key, meta, row, files, source.has_captions)
        with open(os.path.join(folder, name), "rb") as file:
            yield where, row, file.read()
    for name in sorted(left):
        faults.add("extra-file", f"{stem}/{name} has no ledger row")


def members_of(row, source):
    """The members that an image has in a tar, in their order."""
    stem = row["file"].rpartition(".")[0]
    if source.options.img2dataset:
        return sorted([row["file"], f"{stem}.json"] + [f"{stem}.txt"] * source.has_captions)
    return [row["file"], f"{stem}.json"] + ([f"{stem}.txt"] if row["caption"] is not None else [])


def check_tar(faults, dataset, ledger, source, meta):
    """A tar: image, metadata and caption of each image in order, and a proper end."""
    name = f"{ledger.chunk.index:05}.tar"
    path = os.path.join(dataset, name)
    if not os.path.exists(path):
        faults.add("missing-chunk", f"{name} is missing")
        return
    members, whole = read_tar(faults, path, name)
    found = [member for member, _ in members]
    for member, count in collections.Counter(found).items():
        if count > 1:
            faults.add("doubled-row", f"{name} holds {member} {count} times")
    wanted, stored = [], {}
    for row in ledger.rows:
        if row["status"] == "ok" and row["file"] is not None:
            stored[row["file"]] = row
            wanted += members_of(row, source)
            check_name(faults, f"{row['file']} in {name}", row, row["file"], ledger.chunk, source)
    for member in sorted(set(wanted) - set(found)):
        faults.add("missing-file", f"{member} is not in {name}")
    for member in sorted(set(found) - set(wanted)):
        faults.add("extra-file", f"{member} in {name} has no ledger row")
    if whole and sorted(found) == sorted(wanted) and found != wanted:
        faults.add("order", f"the members of {name} are out of order")
    data = dict(members)
    for member, row in stored.items():
        if member in data:
            yield f"{member} in {name}", row, data[member]
            stem = member.rpartition(".")[0]
            files = {kind: data[f"{stem}.{kind}"] for kind in ("json", "txt") if f"{stem}.{kind}" in data}
            if source.options.img2dataset:
                img2dataset_layout.check_sidecars(faults, name, stem, meta, row, files, source.has_captions)
            else:
                check_sidecars(faults, name, stem, row, files)


def check_sidecars(faults, name, stem, row, files):
    """Metadata and caption beside an image."""
    if "txt" in files and files["txt"] != (row["caption"] or "").encode():
        faults.add("wrong-bytes", f"{stem}.txt in {name} is not the caption")
    if "json" not in files:
        return
    try:
        meta = json.loads(files["json"])
    except ValueError as error:
        faults.add("wrong-bytes", f"{stem}.json in {name} is no JSON: {error}")
        return
    needed = {"image", "url", "caption", "width", "height", "format", "sha256"}
    for key in sorted(needed | set(meta)):
        if key not in row or meta.get(key) != row[key]:
            faults.add("wrong-bytes", f"{stem}.json in {name} has {key} {meta.get(key)!r}, not {row.get(key)!r}")


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
