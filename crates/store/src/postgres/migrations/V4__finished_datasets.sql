-- What a dataset's summary tells of: which end of its job, as ended_at was then, and how many completed chunks. A job that
-- went on since needs another one.

ALTER TABLE crawl_job_rows ADD COLUMN summary_end timestamptz, ADD COLUMN summary_chunks bigint;
CREATE INDEX ix_crawl_jobs_unfinished ON crawl_job_rows (id)
    WHERE dataset IS NOT NULL AND executor = 'ream' AND deleted_at IS NULL AND ended_at IS NOT NULL
    AND (summary_end IS DISTINCT FROM ended_at OR summary_chunks IS DISTINCT FROM completed_chunks);
