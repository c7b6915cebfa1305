-- Whether sites may refuse a job's images.
ALTER TABLE crawl_jobs ADD COLUMN robots TEXT NOT NULL DEFAULT 'respect'
    CONSTRAINT ck_crawl_jobs_robots_valid CHECK (robots IN ('respect', 'ignore'));
