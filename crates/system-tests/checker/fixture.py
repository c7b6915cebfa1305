"""A small good dataset, made from its description alone, for testing the checker without a crawl."""

import hashlib
import io
import json
import os
import sqlite3
import tarfile

import PIL.Image
import pyarrow
import pyarrow.parquet

import images
import img2dataset_layout as layout
import options as kinds

CHUNK_SIZE = 5
IMAGES = 12
FAILS = 3
SIDE = 16
KEPT = ("license", "url_of_page")

TEXT, NUMBER = pyarrow.string(), pyarrow.int64()
NUMBERS = set(
    "image http_status bytes width height original_bytes original_width original_height tries fetch_ms transform_ms"
    " source_line".split()
)
SCHEMA = pyarrow.schema([(name, NUMBER if name in NUMBERS else TEXT) for name in kinds.LEDGER + list(KEPT)])

# What Ream's shards tell of an image.
FACTS = "image url caption width height format sha256 original_bytes original_width original_height".split()
FACTS += ["original_format", "original_sha256", *KEPT]

ALL = [
    kinds.Options(shape, img2dataset, mode, SIDE, mode and "jpg", KEPT)
    for shape in ("files", "webdataset", "parquet")
    for img2dataset in (False, True)
    for mode in (None, "center_crop")
] + [kinds.Options("files", False, "keep_ratio", SIDE, "jpg", KEPT)]


def make(folder, options):
    """Makes a dataset."""
    name = f"{options.format}-{'theirs' if options.img2dataset else 'ours'}-{options.resize_mode}"
    root = os.path.join(folder, name)
    for inside in ("_ream", "_ledger") if options.img2dataset or options.format == "parquet" else ("_ream",):
        os.makedirs(os.path.join(root, inside))
    rows, served, expected = source(folder, name, options)
    list_path = os.path.join(folder, f"{name}.csv")
    with open(list_path, "w", encoding="utf-8") as file:
        file.write("url,caption,license,url_of_page\n")
        for row in rows:
            file.write(f"{row['url']},{row['caption']},{row['license']},{row['url_of_page'] or ''}\n")
        file.write("no URL,,,\n")
    chunks, shards = [], []
    for index, first in enumerate(range(0, IMAGES, CHUNK_SIZE)):
        here = rows[first : first + CHUNK_SIZE]
        chunks.append(store(root, options, index, here))
        shard = {"chunk_index": index, "first_image": first, "last_image": here[-1]["image"]}
        shard |= {"images_ok": sum(row["status"] == "ok" for row in here), "files": options.names(Chunk(index, first))}
        shards.append(shard | {"bytes": sum(row["bytes"] or 0 for row in here)})
    write_database(root, chunks)
    summary = {"status": "completed", "images": IMAGES, "images_ok": IMAGES - 1, "images_failed": {"http_4xx": 1}}
    summary |= {"rejected_rows": 1, "bytes": sum(row["bytes"] or 0 for row in rows)}
    summary |= {"total_chunks": len(chunks), "completed_chunks": len(chunks), "failed_chunks": 0, "shards": shards}
    with open(os.path.join(root, options.summary()), "w", encoding="utf-8") as file:
        json.dump(summary, file)
    return kinds.Dataset(root, list_path, options, served, expected)


def picture(image):
    """A JPEG that is like no other."""
    pixels = [(x * 8 % 256, (y * 8 + image * 20) % 256, image * 20) for y in range(20) for x in range(30)]
    made, data = PIL.Image.new("RGB", (30, 20)), io.BytesIO()
    made.putdata(pixels)
    made.save(data, "JPEG", quality=90)
    return data.getvalue()


def transformed(data, options):
    """What is stored of it, and its size."""
    if not options.transforms:
        return data, (30, 20)
    image, out = images.reference(PIL.Image.open(io.BytesIO(data)), options), io.BytesIO()
    if options.resize_mode == "keep_ratio":
        image = image.resize((SIDE * 30 // 20, SIDE))
    image.save(out, "JPEG", quality=90)
    return out.getvalue(), image.size


def source(folder, name, options):
    """Rows with the stored bytes, and what is served; one row fails."""
    rows, served, expected = [], {}, {}
    for image in range(IMAGES):
        url = f"http://site.invalid/{image}.jpg"
        row = dict.fromkeys(SCHEMA.names) | {"image": image, "url": url, "caption": f"picture {image}", "data": None}
        row |= {"source_file": f"{name}.csv", "source_line": image + 2, "tries": 1, "license": f"CC {image}"}
        row |= {"url_of_page": None if image % 4 else "http://site.invalid/", "fetch_ms": 5, "transform_ms": 1}
        if image == FAILS:
            row |= {"status": "failed", "error_class": "http_4xx", "error_message": "HTTP 404", "http_status": 404}
            expected[url] = "http_4xx"
        else:
            data = picture(image)
            served[url] = os.path.join(folder, f"{name}-source-{image}")
            with open(served[url], "wb") as file:
                file.write(data)
            stored, (width, height) = transformed(data, options)
            row |= {"status": "ok", "http_status": 200, "final_url": url, "format": "jpg", "original_format": "jpg"}
            row |= {"bytes": len(stored), "original_bytes": len(data), "width": width, "height": height}
            row |= {"original_width": 30, "original_height": 20, "sha256": hashlib.sha256(stored).hexdigest()}
            row |= {"original_sha256": hashlib.sha256(data).hexdigest(), "data": stored}
        rows.append(row)
    return rows, served, expected


class Chunk:
    """As much of a chunk as naming things needs."""

    def __init__(self, index, first):
        self.index, self.first = index, first


def store(root, options, index, rows):
    """Writes one chunk's output; gives its row for the database."""
    chunk = Chunk(index, rows[0]["image"])
    stem, shard = f"{index:05}", options.shard(chunk)
    for row in rows:
        row["key"] = options.key(chunk, row, CHUNK_SIZE) if options.img2dataset else f"{row['image']:09}"
        if row["data"] is not None:
            inside = f"{row['key']}.jpg"
            row["file"] = {"files": f"{stem}/{inside}", "webdataset": inside, "parquet": shard}[options.format]
    if options.img2dataset:
        write_theirs(root, options, chunk, rows)
    members = [member for row in rows if row["data"] is not None for member in members_of(row, options)]
    path = os.path.join(root, shard)
    if options.format == "webdataset":
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
            for name, data in members:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    elif options.format == "files":
        os.mkdir(path)
        for name, data in members:
            with open(os.path.join(path, name), "wb") as file:
                file.write(data)
    elif not options.img2dataset:
        fields = [SCHEMA.field(name) for name in FACTS] + [pyarrow.field("bytes", pyarrow.binary())]
        schema = pyarrow.schema(fields)
        stored = [row | {"bytes": row["data"]} for row in rows if row["data"] is not None]
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(stored, schema=schema), path)
    table = pyarrow.Table.from_pylist(rows, schema=SCHEMA)
    pyarrow.parquet.write_table(table, os.path.join(root, options.ledger(chunk)))
    failed = {"http_4xx": 1} if any(row["status"] != "ok" for row in rows) else {}
    outcome = {"images_ok": len(rows) - sum(failed.values()), "images_failed": failed}
    outcome |= {"bytes": sum(row["bytes"] or 0 for row in rows)}
    return (index, rows[0]["image"], rows[-1]["image"], json.dumps(outcome))


def members_of(row, options):
    """An image and what lies beside it."""
    image = (f"{row['key']}.jpg", row["data"])
    caption = (f"{row['key']}.txt", row["caption"].encode())
    if options.img2dataset:
        return [image, (f"{row['key']}.json", json.dumps(row["meta"], indent=4).encode()), caption]
    if options.format == "files":
        return [image]
    meta = {name: row[name] for name in FACTS}
    return [image, (f"{row['key']}.json", json.dumps(meta).encode()), caption]


def write_theirs(root, options, chunk, rows):
    """img2dataset's table and statistics."""
    fields = [(name, TEXT) for name in KEPT] + [("caption", TEXT), ("url", TEXT)] + layout.AFTER_URL
    for row in rows:
        good = row["status"] == "ok"
        meta = {name: row[name] for name in KEPT + ("caption", "url", "key")}
        meta |= {"status": "success" if good else "failed_to_download", "error_message": row["error_message"]}
        for name in ("width", "height", "original_width", "original_height"):
            meta[name] = row[name] if good else None
        row["meta"] = meta | {"exif": None, "sha256": row["original_sha256"] if good else None}
    schema, table = pyarrow.schema(fields), [row["meta"] for row in rows]
    if options.format == "parquet":
        schema = schema.append(pyarrow.field("jpg", pyarrow.binary()))
        table = [row["meta"] | {"jpg": row["data"]} for row in rows]
    path = os.path.join(root, f"{chunk.index:05}.parquet")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(table, schema=schema), path)
    bad = [row["error_message"] for row in rows if row["status"] != "ok"]
    stats = {"count": len(rows), "successes": len(rows) - len(bad), "failed_to_download": len(bad)}
    stats |= {"failed_to_resize": 0, "duration": 1.5, "start_time": 1000.0, "end_time": 1001.5}
    stats["status_dict"] = {"success": len(rows) - len(bad)} | {message: 1 for message in bad}
    with open(os.path.join(root, f"{chunk.index:05}_stats.json"), "w", encoding="utf-8") as file:
        json.dump(stats, file, indent=4)


def write_database(root, chunks):
    """A database with the columns that are looked at."""
    connection = sqlite3.connect(os.path.join(root, "_ream", "ream.db"))
    with connection:
        connection.execute(
            "CREATE TABLE crawl_jobs (id INTEGER PRIMARY KEY, status, max_images, chunk_size, total_chunks,"
            " active_chunks, completed_chunks, failed_chunks, completed_images)"
        )
        connection.execute(
            "CREATE TABLE job_chunks (id INTEGER PRIMARY KEY, job_id, chunk_index, status, first_image, last_image,"
            " attempt, unpublished, lease_expires_at, outcome)"
        )
        job = (1, "completed", IMAGES, CHUNK_SIZE, len(chunks), 0, len(chunks), 0, IMAGES)
        connection.execute(f"INSERT INTO crawl_jobs VALUES ({', '.join('?' * len(job))})", job)
        for index, first, last, outcome in chunks:
            row = (index + 1, 1, index, "completed", first, last, 1, 0, None, outcome)
            connection.execute(f"INSERT INTO job_chunks VALUES ({', '.join('?' * len(row))})", row)
    connection.close()
