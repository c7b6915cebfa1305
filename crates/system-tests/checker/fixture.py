"""A small good dataset, made from its description alone, for testing the checker without a crawl."""

import hashlib
import io
import json
import os
import sqlite3
import tarfile

import pyarrow
import pyarrow.parquet

CHUNK_SIZE = 5
IMAGES = 12
FAILS = 3

TEXT, NUMBER = pyarrow.string(), pyarrow.int64()
SCHEMA = pyarrow.schema(
    [("image", NUMBER), ("url", TEXT), ("caption", TEXT), ("status", TEXT), ("error_class", TEXT)]
    + [("error_message", TEXT), ("http_status", NUMBER), ("bytes", NUMBER), ("width", NUMBER), ("height", NUMBER)]
    + [("format", TEXT), ("sha256", TEXT), ("file", TEXT), ("fetch_ms", NUMBER), ("source_file", TEXT)]
    + [("source_line", NUMBER)]
)


def make(folder, output_format):
    """Makes the dataset; gives its root, format, list, served files and expected failures."""
    root = os.path.join(folder, output_format)
    os.makedirs(os.path.join(root, "_ream"))
    rows, served, expected = source(folder, output_format)
    list_path = os.path.join(folder, f"{output_format}.csv")
    with open(list_path, "w", encoding="utf-8") as file:
        file.write("url,caption\n" + "".join(f"{row['url']},{row['caption']}\n" for row in rows) + "no URL,\n")
    chunks = []
    for index, first in enumerate(range(0, IMAGES, CHUNK_SIZE)):
        chunks.append(store(root, output_format, index, rows[first : first + CHUNK_SIZE], served))
    write_database(root, chunks)
    summary = {"status": "completed", "images": IMAGES, "images_ok": IMAGES - 1, "images_failed": {"http_4xx": 1}}
    summary |= {"rejected_rows": 1, "bytes": sum(row["bytes"] or 0 for row in rows)}
    summary |= {"total_chunks": len(chunks), "completed_chunks": len(chunks), "failed_chunks": 0}
    with open(os.path.join(root, "dataset.json"), "w", encoding="utf-8") as file:
        json.dump(summary, file)
    return root, output_format, list_path, served, expected


def source(folder, output_format):
    """Rows, and what is served; one row fails."""
    rows, served, expected = [], {}, {}
    for image in range(IMAGES):
        url = f"http://site.invalid/{image}.jpg"
        row = dict.fromkeys(SCHEMA.names) | {"image": image, "url": url, "caption": f"picture {image}"}
        row |= {"source_file": f"{output_format}.csv", "source_line": image + 2}
        if image == FAILS:
            row |= {"status": "failed", "error_class": "http_4xx", "http_status": 404}
            expected[url] = "http_4xx"
        else:
            data = f"the bytes of image {image}".encode()
            served[url] = os.path.join(folder, f"{output_format}-source-{image}")
            with open(served[url], "wb") as file:
                file.write(data)
            row |= {"status": "ok", "http_status": 200, "bytes": len(data), "width": 1, "height": 1}
            row |= {"format": "jpg", "sha256": hashlib.sha256(data).hexdigest()}
        rows.append(row)
    return rows, served, expected


def store(root, output_format, index, rows, served):
    """Writes one chunk's output; gives its row for the database."""
    stem = f"{index:05}"
    members = []
    for row in rows:
        if row["status"] != "ok":
            continue
        name = f"{row['image']:09}"
        row["file"] = f"{name}.jpg" if output_format == "webdataset" else f"{stem}/{name}.jpg"
        with open(served[row["url"]], "rb") as file:
            members.append((f"{name}.jpg", file.read()))
        if output_format == "webdataset":
            members.append((f"{name}.json", json.dumps(row).encode()))
            members.append((f"{name}.txt", row["caption"].encode()))
    if output_format == "webdataset":
        with tarfile.open(os.path.join(root, f"{stem}.tar"), "w", format=tarfile.USTAR_FORMAT) as tar:
            for name, data in members:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    else:
        os.mkdir(os.path.join(root, stem))
        for name, data in members:
            with open(os.path.join(root, stem, name), "wb") as file:
                file.write(data)
    table = pyarrow.Table.from_pylist(rows, schema=SCHEMA)
    pyarrow.parquet.write_table(table, os.path.join(root, f"{stem}.ledger.parquet"))
    failed = {"http_4xx": 1} if any(row["status"] != "ok" for row in rows) else {}
    outcome = {"images_ok": len(rows) - sum(failed.values()), "images_failed": failed}
    outcome |= {"bytes": sum(row["bytes"] or 0 for row in rows)}
    return (index, rows[0]["image"], rows[-1]["image"], json.dumps(outcome))


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
