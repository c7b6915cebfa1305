use super::*;
use serde_json::{Value, json};

fn shard(chunk_index: u64) -> Shard {
    Shard {
        chunk_index,
        first_image: chunk_index * 500,
        last_image: chunk_index * 500 + 499,
        images_ok: 498,
        bytes: 7,
        files: vec![format!("{chunk_index:05}.tar"), format!("_ledger/{chunk_index:05}.ledger.parquet")],
    }
}

fn write(path: &Path, head: &Value, shards: u64) -> Result<()> {
    let mut summary = SummaryWriter::create(path, head)?;
    for chunk_index in 0..shards {
        summary.push(&shard(chunk_index))?;
    }
    summary.finish()
}

#[test]
fn any_number_of_shards_follows_the_head() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("_ledger/dataset.json");
    for head in [json!({}), json!({"a": {}}), json!({"images": 3, "settings": {"nested": {"x": "}\n}"}}})] {
        for shards in [0, 1, 3] {
            write(&path, &head, shards).unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            let mut found: Value = serde_json::from_str(&text).unwrap();
            let list: Vec<Shard> = serde_json::from_value(found["shards"].take()).unwrap();
            assert_eq!(list, (0..shards).map(shard).collect::<Vec<_>>());
            found.as_object_mut().unwrap().remove("shards");
            assert_eq!(found, head);
            let lines = text.lines().filter(|line| line.contains("chunk_index")).count() as u64;
            assert_eq!(lines, shards, "{text}");
        }
    }
}

#[test]
fn an_older_summary_stays_until_the_new_one_is_whole() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("dataset.json");
    write(&path, &json!({"run": 1}), 2).unwrap();
    let before = std::fs::read(&path).unwrap();
    let mut given_up = SummaryWriter::create(&path, &json!({"run": 2})).unwrap();
    given_up.push(&shard(0)).unwrap();
    drop(given_up);
    assert!(write(&path, &json!(["no", "object"]), 0).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(std::fs::read_dir(tmp.path()).unwrap().count(), 1);
}
